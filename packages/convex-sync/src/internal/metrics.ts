/** Metrics of turns. Times are in seconds, on the clock of this process. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

const boundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

const claimTime = Metric.histogram("turn_claim_seconds", {
  description: "From the sight of a ready turn to the confirmation of its claim, with its wait for a place",
  boundaries
})
const deltaLag = Metric.histogram("delta_lag_seconds", {
  description: "From the oldest live text of a write to the confirmation of the write",
  boundaries
})
const turns = Metric.counter("turns_total", { description: "Turns that ended in this process", incremental: true })
const recovered = Metric.counter("turns_recovered_total", {
  description: "Turns that were left unfinished, by their outcome",
  incremental: true
})
const requests = Metric.counter("requests_total", {
  description: "Permissions and questions of the agent, by their outcome",
  incremental: true
})

/** Milliseconds since 1970. */
const secondsSince = (since: number) => Effect.map(Clock.currentTimeMillis, (now) => Math.max(0, now - since) / 1000)

export const countClaim = (shownAt: number) =>
  Effect.flatMap(secondsSince(shownAt), (seconds) => Metric.update(claimTime, seconds))

export const countWrite = (oldest: number) =>
  Effect.flatMap(secondsSince(oldest), (seconds) => Metric.update(deltaLag, seconds))

const count = (metric: Metric.Counter<number>) => (outcome: string) =>
  Metric.update(Metric.withAttributes(metric, { outcome }), 1)

export const countTurn = count(turns)
export const countRecovery = count(recovered)
export const countRequest = count(requests)

/** Gauges that are read at export, until the scope closes. */
export const registerGauges = Effect.fnUntraced(function* (
  gauges: Readonly<Record<string, { readonly description: string; readonly value: () => number }>>
) {
  const context = yield* Effect.context()
  const ignored = { update: () => {}, modify: () => {} }
  const registrations = Object.entries(gauges).map(([id, { description, value }]) =>
    Metric.registerUnsafe(Metric.gauge(id, { description }), context, { ...ignored, get: () => ({ value: value() }) })
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => registrations.forEach(({ remove }) => remove())))
})
