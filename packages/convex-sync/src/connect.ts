/**
 * `ConvexClient` for plain `async`/`await`.
 *
 * @since 0.1.0
 */
import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server"
import { Effect, ManagedRuntime, Stream } from "effect"
import { type Connection, ConvexClient, type ConvexClientOptions, type MutationOptions } from "./ConvexClient.ts"
import { Closed, ConvexSyncError } from "./ConvexSyncError.ts"
import { makePromiseRunner } from "./internal/promiseRunner.ts"

/**
 * As `ConvexClientOptions`, with a function as the source of tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectOptions extends Omit<ConvexClientOptions, "auth"> {
  /** Returns a fresh JWT, or null for an anonymous client. */
  readonly auth?: () => Promise<string | null>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface CallOptions {
  /** Ends the wait: the promise rejects with `signal.reason`. A call that was sent already may still take effect. */
  readonly signal?: AbortSignal
}

/**
 * Promises reject with `ConvexSyncError`, whose reason is `Closed` after disposal, and with `signal.reason` after an abort.
 * Leaving a `for await` loop ends its subscription.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectedClient extends AsyncDisposable {
  readonly query: <F extends FunctionReference<"query">>(
    query: F,
    args: FunctionArgs<F>,
    options?: CallOptions
  ) => Promise<FunctionReturnType<F>>
  readonly mutation: <F extends FunctionReference<"mutation">>(
    mutation: F,
    args: FunctionArgs<F>,
    options?: CallOptions & MutationOptions
  ) => Promise<FunctionReturnType<F>>
  readonly action: <F extends FunctionReference<"action">>(
    action: F,
    args: FunctionArgs<F>,
    options?: CallOptions
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
    ConvexClient.layer({ ...options, ...(auth !== undefined && { auth: Effect.tryPromise(async () => auth()) }) })
  )
  const runner = makePromiseRunner(runtime, closed)
  const convex = await runner.run(ConvexClient)
  return {
    query: (query, args, call) => runner.run(convex.query(query, args), call),
    mutation: (mutation, args, call) => runner.run(convex.mutation(mutation, args, call), call),
    action: (action, args, call) => runner.run(convex.action(action, args), call),
    subscribe: (query, args) => Stream.toAsyncIterable(convex.subscribe(query, args)),
    connection: Stream.toAsyncIterable(convex.connection),
    [Symbol.asyncDispose]: runner[Symbol.asyncDispose]
  }
}

const closed = () =>
  new ConvexSyncError({ operation: "connect", reason: new Closed({ detail: "it was disposed of; connect again" }) })
