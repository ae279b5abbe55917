/** Metrics of the server process. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

const starts = Metric.counter("opencode_starts_total", {
  description: "Servers that became ready",
  incremental: true
})
const ends = Metric.counter("opencode_ends_total", {
  description: "Servers that ended, by the reason: died, idle, or recycled",
  incremental: true
})
const failures = Metric.counter("opencode_start_failures_total", {
  description: "Starts of the server that failed",
  incremental: true
})
const running = Metric.gauge("opencode_running", { description: "1 while the server runs, otherwise 0" })

export const countStart = Metric.update(starts, 1)

export const countEnd = (reason: "died" | "idle" | "recycled") =>
  Metric.update(Metric.withAttributes(ends, { reason }), 1)

export const countFailure = Metric.update(failures, 1)

/** A gauge that is read at export, until the scope closes. */
export const registerRunning = Effect.fnUntraced(function* (isRunning: () => boolean) {
  const { remove } = Metric.registerUnsafe(running, yield* Effect.context(), {
    update: () => {},
    modify: () => {},
    get: () => ({ value: isRunning() ? 1 : 0 })
  })
  yield* Effect.addFinalizer(() => Effect.sync(remove))
})
