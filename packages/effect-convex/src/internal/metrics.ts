/** Metrics of the connection and of its calls. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

const calls = Metric.counter("convex_calls_total", {
  description: "Calls of the deployment's functions; each result of a subscription is one, as the deployment runs it",
  incremental: true
})
const reconnects = Metric.counter("convex_reconnects_total", {
  description: "Connections that were lost and restored",
  incremental: true
})
const connected = Metric.gauge("convex_connected", { description: "1 while the connection is open, otherwise 0" })

type Kind = "query" | "mutation" | "action" | "subscription"

export const countCall = (kind: Kind, name: string) =>
  Metric.update(Metric.withAttributes(calls, { kind, function: name }), 1)

export const countReconnect = Metric.update(reconnects, 1)

/** A gauge that is read at export, until the scope closes. */
export const registerConnected = Effect.fnUntraced(function* (isConnected: () => boolean) {
  const ignored = { update: () => {}, modify: () => {} }
  const { remove } = Metric.registerUnsafe(connected, yield* Effect.context(), {
    ...ignored,
    get: () => ({ value: isConnected() ? 1 : 0 })
  })
  yield* Effect.addFinalizer(() => Effect.sync(remove))
})
