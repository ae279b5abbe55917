/** A connection without streams: calls, and subscriptions that fill a queue. */
import type { ConvexClient as Client } from "convex/browser"
import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import { ConvexClientError } from "../ConvexClientError.ts"
import type { Connection, ConvexClientOptions, MutationOptions } from "../ConvexClientOptions.ts"
import { Closed, InvalidUrl } from "../ConvexClientReason.ts"
import { makeCalls } from "./calls.ts"
import { fromCause } from "./fromCause.ts"
import { functionName } from "./functionName.ts"
import { guardedSocket } from "./guardedSocket.ts"
import { latest } from "./latest.ts"
import { logConnection } from "./logConnection.ts"
import { countCall, registerConnected } from "./metrics.ts"
import { reconnectingClient } from "./reconnectingClient.ts"
import { makeSignIn } from "./signIn.ts"

/** A failed token source is retried: without a retry the client would stay anonymous. */
const tokenRetries = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")]).pipe(
  Schedule.jittered
)

const connectError = (reason: ConvexClientError["reason"]) => new ConvexClientError({ operation: "connect", reason })

const parseUrl = Effect.fnUntraced(function* (text: string) {
  if (!URL.canParse(text)) return yield* connectError(new InvalidUrl({ problem: "is not an absolute URL" }))
  const url = new URL(text)
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return yield* connectError(new InvalidUrl({ problem: `starts with ${url.protocol}, not with https: or http:` }))
  }
  return url.href.replace(/\/+$/, "")
})

const connectionOf = (client: Client): Connection => {
  // A replacement follows.
  if (client.closed) return "reconnecting"
  const state = client.connectionState()
  if (state.isWebSocketConnected) return "connected"
  return state.hasEverConnected ? "reconnecting" : "connecting"
}

export const openConnection = Effect.fnUntraced(function* (Browser: typeof Client, options: ConvexClientOptions) {
  const url = yield* parseUrl(options.url)
  const closed = yield* Deferred.make<never, ConvexClientError>()
  const failClosed = Deferred.fail(closed, connectError(new Closed()))
  const runFork = Effect.runForkWith(yield* Effect.context())
  const runPromise = Effect.runPromiseWith(yield* Effect.context())

  // This promise never rejects: the client would rethrow the rejection as an uncaught exception.
  const token = options.auth?.pipe(
    Effect.sandbox,
    Effect.tapError((cause) => Effect.logWarning("The token source failed; retrying", cause)),
    Effect.retry(tokenRetries),
    Effect.raceFirst(Deferred.await(closed)),
    Effect.orElseSucceed(() => null)
  )

  const clock = yield* Clock.Clock
  const signIn =
    token === undefined
      ? undefined
      : makeSignIn(
          () => runPromise(token),
          () => clock.currentTimeMillisUnsafe()
        )

  const clients = yield* reconnectingClient(({ end, recordSent }) => {
    const onThrow = (cause: unknown) => {
      const detail = cause instanceof Error ? cause.message : String(cause)
      const fatal = detail.startsWith("[CONVEX FATAL ERROR]")
      const event = fatal ? "sent a fatal error" : "sent an unreadable message"
      runFork(
        Effect.andThen(Effect.logWarning(`The deployment ${event}; reconnecting`, detail), fatal ? end : Effect.void)
      )
    }
    const client = new Browser(url, {
      logger: false,
      unsavedChangesWarning: false,
      skipConvexDeploymentUrlCheck: true,
      expectAuth: token !== undefined,
      // The first token is fresh. A second one would only make every query run twice.
      initialAuthTokenReuse: true,
      webSocketConstructor: guardedSocket({ onThrow, onSend: recordSent })
    })
    signIn?.(client, () => {
      runFork(Effect.andThen(Effect.logWarning("The deployment refused a fresh token; reconnecting"), end))
    })
    return client
  })
  const { end, sendOnce, sendUntilAnswered, withTimeout } = yield* makeCalls(clients, closed)
  yield* Effect.addFinalizer(() =>
    // In this order, so that waiting callers fail with `Closed` instead of being interrupted.
    failClosed.pipe(Effect.andThen(end), Effect.andThen(clients.close))
  )
  yield* Effect.forkScoped(clients.run)

  yield* registerConnected(clients.isConnected)

  const follow = <F extends FunctionReference<"query">>(query: F, args: FunctionArgs<F>) => {
    const operation = functionName(query)
    return Effect.fnUntraced(function* (queue: Queue.Enqueue<FunctionReturnType<F>, ConvexClientError>) {
      // A closed client would still return its cached results.
      if (yield* Deferred.isDone(closed)) return yield* Deferred.await(closed)
      const fail = (error: ConvexClientError) => Queue.failCauseUnsafe(queue, Cause.fail(error))
      const listen = (client: Client) => {
        try {
          return client.onUpdate(
            query,
            args,
            (value) => {
              clients.onActivity()
              if (value !== undefined) Queue.offerUnsafe(queue, value)
            },
            (cause) => fail(fromCause(operation, args, cause))
          )
        } catch (cause) {
          fail(fromCause(operation, args, cause))
          return undefined
        }
      }
      yield* Deferred.await(closed).pipe(
        Effect.catch((error) => Effect.sync(() => fail(error))),
        Effect.forkScoped
      )
      yield* clients.withEach(listen)
    })
  }

  const followState = Effect.fnUntraced(function* (queue: Queue.Enqueue<Connection, Cause.Done>) {
    yield* clients.withEach((client) => {
      const offer = () => Queue.offerUnsafe(queue, connectionOf(client))
      offer()
      return client.client.subscribeToConnectionState(offer)
    })
    yield* Deferred.await(closed).pipe(
      Effect.catch(() => Effect.andThen(Queue.offer(queue, "closed"), Queue.end(queue))),
      Effect.forkScoped
    )
  })
  const states = yield* latest(followState)
  yield* Effect.forkScoped(logConnection(url, Queue.take(states)))

  return {
    url,
    query: <F extends FunctionReference<"query">>(query: F, args: FunctionArgs<F>) => {
      const first = Effect.scoped(Effect.flatMap(latest(follow(query, args)), Queue.take))
      const name = functionName(query)
      return withTimeout(name, options.queryTimeout ?? "30 seconds", Effect.andThen(countCall("query", name), first))
    },
    mutation: <F extends FunctionReference<"mutation">>(
      mutation: F,
      args: FunctionArgs<F>,
      { idempotent = false }: MutationOptions = {}
    ) => {
      const operation = functionName(mutation)
      const limit = options.mutationTimeout ?? "30 seconds"
      const start = (client: Client) => client.mutation(mutation, args)
      const sent = idempotent
        ? sendUntilAnswered(limit, operation, args, start)
        : withTimeout(operation, limit, sendOnce(operation, args, start))
      return Effect.andThen(countCall("mutation", operation), sent)
    },
    action: <F extends FunctionReference<"action">>(action: F, args: FunctionArgs<F>) => {
      const operation = functionName(action)
      const sent = sendOnce(operation, args, (client) => client.action(action, args))
      const limited = withTimeout(operation, options.actionTimeout ?? "10 minutes", sent)
      return Effect.andThen(countCall("action", operation), limited)
    },
    /** Offers the current result of a query and each later one. */
    follow,
    /** Offers the current state and each later one, and ends the queue after `closed`. Repeats states. */
    followState
  }
})
