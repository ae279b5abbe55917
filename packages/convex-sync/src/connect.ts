/**
 * `ConvexClient` for plain `async`/`await`.
 *
 * @since 0.1.0
 */
import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server"
import { Effect, ManagedRuntime, Stream } from "effect"
import { type Connection, ConvexClient, type ConvexClientOptions } from "./ConvexClient.ts"

/**
 * As `ConvexClientOptions`, with a function as the source of tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectOptions extends Omit<ConvexClientOptions, "auth"> {
  /** Gives a fresh JWT, or null for nobody. */
  readonly auth?: () => Promise<string | null>
}

/**
 * Promises reject with `ConvexSyncError`. Leaving a `for await` loop ends its subscription.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectedClient extends AsyncDisposable {
  readonly query: <F extends FunctionReference<"query">>(
    query: F,
    args: FunctionArgs<F>
  ) => Promise<FunctionReturnType<F>>
  readonly mutation: <F extends FunctionReference<"mutation">>(
    mutation: F,
    args: FunctionArgs<F>
  ) => Promise<FunctionReturnType<F>>
  readonly action: <F extends FunctionReference<"action">>(
    action: F,
    args: FunctionArgs<F>
  ) => Promise<FunctionReturnType<F>>
  readonly subscribe: <F extends FunctionReference<"query">>(
    query: F,
    args: FunctionArgs<F>
  ) => AsyncIterable<FunctionReturnType<F>>
  readonly connection: AsyncIterable<Connection>
}

/**
 * Connects to a deployment, in the background: only an unusable URL rejects here. `await using` closes it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect = async ({ auth, ...options }: ConnectOptions): Promise<ConnectedClient> => {
  const runtime = ManagedRuntime.make(
    ConvexClient.layer({ ...options, ...(auth !== undefined && { auth: Effect.tryPromise(auth) }) })
  )
  const convex = await runtime.runPromise(ConvexClient)
  return {
    query: (query, args) => runtime.runPromise(convex.query(query, args)),
    mutation: (mutation, args) => runtime.runPromise(convex.mutation(mutation, args)),
    action: (action, args) => runtime.runPromise(convex.action(action, args)),
    subscribe: (query, args) => Stream.toAsyncIterable(convex.subscribe(query, args)),
    connection: Stream.toAsyncIterable(convex.connection),
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
}
