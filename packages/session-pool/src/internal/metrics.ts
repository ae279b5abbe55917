import { Effect, Metric } from "effect"
import type { Stats } from "../SessionPool.ts"

const gauges = [
  ["resident", "session_pool_resident", "Resources that exist"],
  ["inUse", "session_pool_in_use", "Resources in use"],
  ["waiting", "session_pool_waiting", "Callers that wait for their turn"]
] as const

const counters = [
  ["opens", "session_pool_opens_total", "Attempts to open a resource"],
  ["hits", "session_pool_hits_total", "Uses of a resource that somebody had used before"],
  ["evictions", "session_pool_evictions_total", "Resources closed to make room"],
  ["idleCloses", "session_pool_idle_closes_total", "Resources closed because nobody used them"],
  ["failures", "session_pool_failures_total", "Attempts to open a resource that failed while somebody waited"]
] as const

const ignored = { update: () => {}, modify: () => {} }

/** Shows the counts as metrics, read when they are exported: a use costs nothing for them. They go with the scope. */
export const registerMetrics = Effect.fnUntraced(function* (pool: string, stats: () => Stats) {
  const context = yield* Effect.context()
  const attributes = { pool }
  const registrations = [
    ...gauges.map(([count, id, description]) =>
      Metric.registerUnsafe(Metric.gauge(id, { description, attributes }), context, {
        ...ignored,
        get: () => ({ value: stats()[count] })
      })
    ),
    ...counters.map(([count, id, description]) =>
      Metric.registerUnsafe(Metric.counter(id, { description, attributes, incremental: true }), context, {
        ...ignored,
        get: () => ({ count: stats()[count], incremental: true })
      })
    )
  ]
  yield* Effect.addFinalizer(() => Effect.sync(() => registrations.forEach(({ remove }) => remove())))
})
