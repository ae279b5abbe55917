/**
 * The Convex client as an Effect service: one WebSocket, typed errors, time limits, subscriptions as streams, and no
 * uncaught exceptions.
 */
import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ConvexClientError } from "./ConvexClientError.ts"
import type { Connection, ConvexClientOptions, MutationOptions } from "./ConvexClientOptions.ts"
import { openConnection } from "./internal/connection.ts"
import { functionName } from "./internal/functionName.ts"
import { countCall } from "./internal/metrics.ts"

type Returns<F extends FunctionReference<"query" | "mutation" | "action">> = Effect.Effect<
  FunctionReturnType<F>,
  ConvexClientError
>

/**
 * A connection to a Convex deployment.
 *
 * - Mutations run one after another, in the order of the calls. After a reconnect the client resends those without a
 *   response, and the deployment runs each once.
 * - A call that exceeds its time limit fails with `Unreachable` or `Timeout`, and **its outcome is unknown**: a mutation
 *   that was sent may still run. Retry it with the same idempotency key (`retryTransient`), or call it with
 *   `{ idempotent: true }`, which keeps one copy in flight instead of one per attempt.
 * - At most 100 mutations and actions are in flight. Further calls wait within their time limit, and are never sent if it
 *   passes.
 * - A client that the deployment ended for good, or that timed out three times in a row while connected, is replaced.
 *   Subscriptions continue with the next one.
 * - Nothing is printed.
 *
 * @example
 * const program = Effect.gen(function* () {
 *   const convex = yield* ConvexClient
 *   yield* convex.mutation(api.messages.send, { text: "hi" })
 *   yield* convex.subscribe(api.messages.list, {}).pipe(Stream.runForEach(render))
 * })
 * Effect.provide(program, ConvexClient.layer({ url }))
 */
export class ConvexClient extends Context.Service<
  ConvexClient,
  {
    /** The deployment's URL, without a slash at its end. */
    readonly url: string
    /** The current result. */
    readonly query: <F extends FunctionReference<"query">>(query: F, args: FunctionArgs<F>) => Returns<F>
    readonly mutation: <F extends FunctionReference<"mutation">>(
      mutation: F,
      args: FunctionArgs<F>,
      options?: MutationOptions
    ) => Returns<F>
    /** An action is sent at most once. */
    readonly action: <F extends FunctionReference<"action">>(action: F, args: FunctionArgs<F>) => Returns<F>
    /**
     * The current result and each later one. A slow consumer receives only the latest. The stream survives reconnects and
     * fails if the query fails.
     */
    readonly subscribe: <F extends FunctionReference<"query">>(
      query: F,
      args: FunctionArgs<F>
    ) => Stream.Stream<FunctionReturnType<F>, ConvexClientError>
    /** The current state and each change. Ends after `closed`. */
    readonly connection: Stream.Stream<Connection>
  }
>()("@opencode-worker/effect-convex/ConvexClient") {
  /** Connects in the background and stays connected for the lifetime of the scope. Only an invalid URL fails here. */
  static readonly make = (
    options: ConvexClientOptions
  ): Effect.Effect<ConvexClient["Service"], ConvexClientError, Scope.Scope> =>
    Effect.flatMap(loadLibraries, (libraries) => makeWith(libraries, options))

  static readonly layer = (options: ConvexClientOptions): Layer.Layer<ConvexClient, ConvexClientError> =>
    Layer.effect(ConvexClient, ConvexClient.make(options))
}

/** Loading them takes more than the rest of this module, and a program may not connect. */
const loadLibraries = Effect.promise(() => Promise.all([import("convex/browser"), import("effect/Stream")]))

/** Of a queue that holds the latest value. */
const streamed = { bufferSize: 1, strategy: "sliding" } as const

const makeWith = Effect.fnUntraced(function* (
  [browser, Stream]: Effect.Success<typeof loadLibraries>,
  options: ConvexClientOptions
) {
  const { follow, followState, ...calls } = yield* openConnection(browser.ConvexClient, options)
  return ConvexClient.of({
    ...calls,
    subscribe: (query, args) => {
      const counted = countCall("subscription", functionName(query))
      return Stream.tap(Stream.callback(follow(query, args), streamed), () => counted)
    },
    connection: Stream.changes(Stream.callback(followState, streamed))
  })
})
