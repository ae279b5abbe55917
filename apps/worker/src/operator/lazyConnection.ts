/**
 * A Convex client that connects at its first mutation, action or subscription. Until then it sends queries over HTTP: a command
 * that only reads starts in half the time. With a proxy it connects at once, because `nodeFetch` uses none.
 */
import { httpCall, isClientError } from "@opencode-worker/client/http"
import { ConvexClient, ConvexClientError, ConvexClientReason, isTransient } from "@opencode-worker/effect-convex"
import { getFunctionName } from "convex/server"
import { Effect, Layer, Schedule, Scope, Stream } from "effect"
import { isLocal } from "../commands/shared/url.ts"
import { proxyFor } from "../proxy.ts"
import { nodeFetch } from "./nodeFetch.ts"

const queryTimeout = 30_000

/** A deployment that is unreachable is tried again until the time limit, as by the connection. */
const retries = Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("5 seconds")])

const unreachable = (operation: string) =>
  new ConvexClientError({ operation, reason: new ConvexClientReason.Unreachable({ millis: queryTimeout }) })

const errorOf = (operation: string, error: unknown): ConvexClientError => {
  const reason = isClientError(error) ? error.reason : undefined
  switch (reason?._tag) {
    case "Unreachable":
      return unreachable(operation)
    case "Rejected":
      return new ConvexClientError({ operation, reason: new ConvexClientReason.Rejected(reason) })
    default: {
      const message = reason?.message ?? String(error)
      return new ConvexClientError({ operation, reason: new ConvexClientReason.FunctionFailed({ message }) })
    }
  }
}

/** Closes the connection with the scope of the layer. */
export const lazyConnection = (options: { readonly url: string; readonly auth: Effect.Effect<string, unknown> }) =>
  Layer.effect(
    ConvexClient,
    Effect.gen(function* () {
      const { auth, url } = options
      const scope = yield* Effect.scope
      const connected = yield* Effect.cached(Scope.provide(ConvexClient.make(options), scope))
      let isConnected = !isLocal(url) && proxyFor(url, process.env) !== undefined
      const client = Effect.suspend(() => {
        isConnected = true
        return connected
      })
      const overHttp: ConvexClient["Service"]["query"] = (reference, args) => {
        const operation = getFunctionName(reference)
        const send = (token: string) =>
          Effect.tryPromise({
            try: () => httpCall("query", reference, args, { url, token, fetch: nodeFetch }),
            catch: (error) => errorOf(operation, error)
          })
        return auth.pipe(
          Effect.mapError(() => unreachable(operation)),
          Effect.flatMap(send),
          Effect.retry({ schedule: retries, while: isTransient }),
          Effect.timeoutOrElse({ duration: queryTimeout, orElse: () => unreachable(operation) })
        )
      }
      return ConvexClient.of({
        url,
        query: (...call) =>
          Effect.suspend(() => (isConnected ? Effect.flatMap(client, (it) => it.query(...call)) : overHttp(...call))),
        mutation: (...call) => Effect.flatMap(client, (it) => it.mutation(...call)),
        action: (...call) => Effect.flatMap(client, (it) => it.action(...call)),
        subscribe: (...call) => Stream.unwrap(Effect.map(client, (it) => it.subscribe(...call))),
        // The URL was checked before.
        connection: Stream.orDie(Stream.unwrap(Effect.map(client, (it) => it.connection)))
      })
    })
  )
