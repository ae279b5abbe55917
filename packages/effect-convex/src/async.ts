/** `ConvexClient` for `async`/`await`. */
import { ConvexClient } from "convex/browser"
import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Connection, type ConvexClientOptions, type MutationOptions, openWith } from "./ConvexClient.ts"

export { ConvexClientError, isConvexClientError, isTransient } from "./ConvexClientError.ts"

/** As `ConvexClientOptions`, with a function as the source of tokens. */
export interface AsyncConvexClientOptions extends Omit<ConvexClientOptions, "auth"> {
  /** Returns a fresh JWT, or null for an anonymous client. */
  readonly auth?: () => Promise<string | null>
}

export interface CallOptions {
  /** Ends the wait: the promise rejects with `signal.reason`. A call that was already sent may still run. */
  readonly signal?: AbortSignal
}

/**
 * Promises reject with `ConvexClientError`, whose reason is `Closed` after disposal, and with `signal.reason` after an
 * abort. Leaving a `for await` loop ends its subscription.
 */
export interface AsyncConvexClient extends AsyncDisposable {
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

const run = async <A, E>(effect: Effect.Effect<A, E>, { signal }: CallOptions = {}): Promise<A> => {
  signal?.throwIfAborted()
  const exit = await Effect.runPromiseExit(effect, signal && { signal })
  if (Exit.isSuccess(exit)) return exit.value
  signal?.throwIfAborted()
  throw Cause.squash(exit.cause)
}

/**
 * Connects in the background. Throws `ConvexClientError` with the reason `InvalidUrl` if the URL cannot be used.
 *
 * @example
 * await using convex = createConvexClient({ url })
 * for await (const messages of convex.subscribe(api.messages.list, {})) console.log(messages)
 */
export const createConvexClient = ({ auth, ...options }: AsyncConvexClientOptions): AsyncConvexClient => {
  const scope = Scope.makeUnsafe()
  const convex = Effect.runSync(
    Scope.provide(
      openWith(ConvexClient, {
        ...options,
        ...(auth !== undefined && { auth: Effect.tryPromise(async () => auth()) })
      }),
      scope
    )
  )
  return {
    query: (query, args, call) => run(convex.query(query, args), call),
    mutation: (mutation, args, call) => run(convex.mutation(mutation, args, call), call),
    action: (action, args, call) => run(convex.action(action, args), call),
    subscribe: (query, args) => Stream.toAsyncIterable(convex.subscribe(query, args)),
    connection: Stream.toAsyncIterable(convex.connection),
    [Symbol.asyncDispose]: () => run(Scope.close(scope, Exit.void))
  }
}
