/** `ConvexClient` for `async`/`await`. */
import { ConvexClient } from "convex/browser"
import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type { Connection, ConvexClientOptions, MutationOptions } from "./ConvexClientOptions.ts"
import { openConnection } from "./internal/connection.ts"
import { functionName } from "./internal/functionName.ts"
import { iterate } from "./internal/iterate.ts"
import { latest } from "./internal/latest.ts"
import { countCall } from "./internal/metrics.ts"

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

/** The next state that differs from the one before it. */
const changes = <E>(states: Queue.Queue<Connection, E>) => {
  let last: Connection | undefined
  const next: Effect.Effect<Connection, E> = Effect.flatMap(Queue.take(states), (state) =>
    state === last ? next : Effect.succeed((last = state))
  )
  return next
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
      openConnection(ConvexClient, {
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
    subscribe: (query, args) => {
      const counted = countCall("subscription", functionName(query))
      return iterate(
        Effect.map(latest(convex.follow(query, args)), (results) => Effect.tap(Queue.take(results), () => counted))
      )
    },
    connection: iterate(Effect.map(latest(convex.followState), changes)),
    [Symbol.asyncDispose]: () => run(Scope.close(scope, Exit.void))
  }
}
