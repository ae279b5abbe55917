/** Counts for this cache (a value) and for the process (metrics), kept in step. */
import { Effect, Metric } from "effect"
import type { Stats } from "../ModelCache.ts"

const metrics: { readonly [K in keyof Stats]: Metric.Counter<number> } = {
  fetches: Metric.counter("model_cache_fetches", { incremental: true }),
  failures: Metric.counter("model_cache_failures", { incremental: true }),
  hits: Metric.counter("model_cache_hits", { incremental: true }),
  staleHits: Metric.counter("model_cache_stale_hits", { incremental: true }),
  misses: Metric.counter("model_cache_misses", { incremental: true })
}

export const make = () => {
  const counts = { fetches: 0, failures: 0, hits: 0, staleHits: 0, misses: 0 }
  const count = (key: keyof Stats): Effect.Effect<void> =>
    Effect.suspend(() => {
      counts[key] += 1
      return Metric.update(metrics[key], 1)
    })
  const stats: Effect.Effect<Stats> = Effect.sync(() => ({ ...counts }))
  return { count, stats }
}
