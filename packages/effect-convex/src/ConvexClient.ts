/**
 * The Convex client as an Effect service: one WebSocket, typed errors, time limits, subscriptions as streams, and no
 * uncaught exceptions.
 */
import type { ConvexClient as Client } from "convex/browser"
import { type FunctionArgs, type FunctionReference, type FunctionReturnType, getFunctionName } from "convex/server"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ConvexClientError } from "./ConvexClientError.ts"
import { Closed, InvalidUrl } from "./ConvexClientReason.ts"
import { makeCalls } from "./internal/calls.ts"
import { fromCause } from "./internal/fromCause.ts"
import { followConnection } from "./internal/followConnection.ts"
import { guardedSocket } from "./internal/guardedSocket.ts"
import { countCall, registerConnected } from "./internal/metrics.ts"
import { reconnectingClient } from "./internal/reconnectingClient.ts"

/** `connecting` before the first connection, `reconnecting` after a lost one, `closed` after the scope closed. */
export type Connection = "connecting" | "connected" | "reconnecting" | "closed"

export interface ConvexClientOptions {
  /** `https://happy-otter-123.convex.cloud`, or the http(s) URL of a self-hosted or embedded deployment. */
  readonly url: string
  /**
   * Returns a fresh JWT, or null for an anonymous client. It runs at the start and before a token expires; calls wait for
   * the first token. A failure is logged and retried.
   */
  readonly auth?: Effect.Effect<string | null, unknown>
  /** Time limit of a mutation, including its wait for a place in flight. Default: 30 seconds. */
  readonly mutationTimeout?: Duration.Input
  /** Time limit of a one-shot query. Default: 30 seconds. */
  readonly queryTimeout?: Duration.Input
  /** Time limit of an action. Default: 10 minutes. */
  readonly actionTimeout?: Duration.Input
}

/** A failed token source is retried: without a retry the client would stay anonymous. */
const tokenRetries = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")]).pipe(
  Schedule.jittered
)

export interface MutationOptions {
  /**
   * Running it twice has the effect of running it once. Such a call has no time limit: it is in flight until the deployment
   * responds, and is sent again if its client had to be replaced. Add a limit of your own if you cannot wait.
   */
  readonly idempotent?: boolean
}

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
    Effect.flatMap(loadClient, (browser) => openWith(browser.ConvexClient, options))

  static readonly layer = (options: ConvexClientOptions): Layer.Layer<ConvexClient, ConvexClientError> =>
    Layer.effect(ConvexClient, ConvexClient.make(options))
}

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

/** Loading it takes a large part of the start of a program, which may not connect. */
const loadClient = Effect.promise(() => import("convex/browser"))

/** @internal */
export const openWith = Effect.fnUntraced(function* (Browser: typeof Client, options: ConvexClientOptions) {
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
    if (token !== undefined) client.setAuth(() => runPromise(token))
    return client
  })
  const { end, sendOnce, sendUntilAnswered, withTimeout } = yield* makeCalls(clients, closed)
  yield* Effect.addFinalizer(() =>
    // In this order, so that waiting callers fail with `Closed` instead of being interrupted.
    failClosed.pipe(Effect.andThen(end), Effect.andThen(clients.close))
  )
  yield* Effect.forkScoped(clients.run)

  yield* registerConnected(clients.isConnected)

  const results: ConvexClient["Service"]["subscribe"] = (query, args) => {
    const operation = getFunctionName(query)
    return Stream.callback<FunctionReturnType<typeof query>, ConvexClientError>(
      Effect.fnUntraced(function* (queue) {
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
      }),
      { bufferSize: 1, strategy: "sliding" }
    )
  }

  const connection = Stream.callback<Connection>(
    Effect.fnUntraced(function* (queue) {
      yield* clients.withEach((client) => {
        const offer = () => Queue.offerUnsafe(queue, connectionOf(client))
        offer()
        return client.client.subscribeToConnectionState(offer)
      })
      yield* Deferred.await(closed).pipe(
        Effect.catch(() => Effect.andThen(Queue.offer(queue, "closed"), Queue.end(queue))),
        Effect.forkScoped
      )
    }),
    { bufferSize: 1, strategy: "sliding" }
  ).pipe(Stream.changes)
  yield* Effect.forkScoped(followConnection(url, connection))

  return ConvexClient.of({
    url,
    query: (query, args) => {
      const first = Stream.runHead(results(query, args)).pipe(
        Effect.flatMap(Option.match({ onNone: () => Deferred.await(closed), onSome: Effect.succeed }))
      )
      const name = getFunctionName(query)
      return withTimeout(name, options.queryTimeout ?? "30 seconds", Effect.andThen(countCall("query", name), first))
    },
    mutation: (mutation, args, { idempotent = false } = {}) => {
      const operation = getFunctionName(mutation)
      const limit = options.mutationTimeout ?? "30 seconds"
      const start = (client: Client) => client.mutation(mutation, args)
      const sent = idempotent
        ? sendUntilAnswered(limit, operation, args, start)
        : withTimeout(operation, limit, sendOnce(operation, args, start))
      return Effect.andThen(countCall("mutation", operation), sent)
    },
    action: (action, args) => {
      const operation = getFunctionName(action)
      const sent = sendOnce(operation, args, (client) => client.action(action, args))
      const limited = withTimeout(operation, options.actionTimeout ?? "10 minutes", sent)
      return Effect.andThen(countCall("action", operation), limited)
    },
    subscribe: (query, args) =>
      Stream.tap(results(query, args), () => countCall("subscription", getFunctionName(query))),
    connection
  })
})
