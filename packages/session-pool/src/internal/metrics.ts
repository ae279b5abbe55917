import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Stats } from "./types.ts"

const gauges = [
  ["resident", "session_pool_resident", "Resources that exist"],
  ["inUse", "session_pool_in_use", "Resources in use"],
  ["waiting", "session_pool_waiting", "Callers that wait"]
] as const

const counters = [
  ["opens", "session_pool_opens_total", "Attempts to open a resource"],
  ["hits", "session_pool_hits_total", "Uses of a resource that was used before"],
  ["evictions", "session_pool_evictions_total", "Idle resources closed to free their slot"],
  ["idleCloses", "session_pool_idle_closes_total", "Resources closed because they were idle"],
  ["failures", "session_pool_failures_total", "Attempts to open a resource that failed while a caller waited"]
] as const

const ignored = { update: () => {}, modify: () => {} }

/** Registers the counts as metrics, which are read at export and add no cost to a use. They are removed with the scope. */
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
