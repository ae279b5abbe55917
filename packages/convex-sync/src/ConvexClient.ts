/**
 * The real Convex client as an Effect service: one WebSocket, typed errors, time limits, and nothing that can become an
 * uncaught exception.
 *
 * @since 0.1.0
 */
import { ConvexClient as Client } from "convex/browser"
import { type FunctionArgs, type FunctionReference, type FunctionReturnType, getFunctionName } from "convex/server"
import { Cause, Context, Deferred, Duration, Effect, Layer, Option, Queue, Schedule, Scope, Stream } from "effect"
import { Closed, ConvexSyncError, InvalidUrl } from "./ConvexSyncError.ts"
import { makeCalls } from "./internal/calls.ts"
import { fromCause } from "./internal/failure.ts"
import { guardedSocket } from "./internal/guardedSocket.ts"
import { replaceable } from "./internal/replaceable.ts"

/**
 * `connecting` before the first connection, `reconnecting` after one was lost, `closed` for good.
 *
 * @category models
 * @since 0.1.0
 */
export type Connection = "connecting" | "connected" | "reconnecting" | "closed"

/**
 * @category models
 * @since 0.1.0
 */
export interface ConvexClientOptions {
  /** Of the deployment: `https://happy-otter-123.convex.cloud`, or any http(s) address of a self-hosted or embedded one. */
  readonly url: string
  /**
   * Gives a fresh JWT, or null for nobody. Asked at the start and before a token runs out; calls wait for the first one.
   * A failure is logged, and the source asked again.
   */
  readonly auth?: Effect.Effect<string | null, unknown>
  /** How long a mutation, waiting for its turn included, may take. Default 30 seconds. */
  readonly mutationTimeout?: Duration.Input
  /** How long a one-shot query may take. Default 30 seconds. */
  readonly queryTimeout?: Duration.Input
  /** How long an action may take. Default 10 minutes. */
  readonly actionTimeout?: Duration.Input
}

/** A token source that fails is asked again: giving up would make the client nobody until it is made anew. */
const tokenRetries = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("30 seconds")]).pipe(
  Schedule.jittered
)

/**
 * @category models
 * @since 0.1.0
 */
export interface MutationOptions {
  /**
   * Carrying it out twice is carrying it out once. Then it has no limit of time: it is under way until the deployment has
   * said yes or no, and is sent again where a client had to be replaced. Give it a limit of your own where you cannot wait.
   */
  readonly idempotent?: boolean
}

type Returns<F extends FunctionReference<"query" | "mutation" | "action">> = Effect.Effect<
  FunctionReturnType<F>,
  ConvexSyncError
>

/**
 * A connection to a Convex deployment.
 *
 * **Details**
 *
 * - Mutations run one after another in the order of the calls. After a reconnect the unanswered ones are sent again, and
 *   the deployment carries each out once.
 * - A call that ran into its time limit fails with `Unreachable` or `Timeout`, and **its outcome is unknown**: the client
 *   goes on with a mutation that it accepted. Repeat it with the same idempotency key (`retryTransient`), or have it
 *   waited for from the beginning (`idempotent`): then there is one copy of it under way, and not one a limit.
 * - At most 100 mutations and actions are in flight; further calls wait within their limit, and a call that ran into its
 *   limit while it waited is never sent.
 * - A client that the deployment ended for good, or that answers nothing any more, is replaced: subscriptions go on with
 *   the next one, and what was unanswered runs into its limit.
 * - Nothing is printed.
 *
 * @category services
 * @since 0.1.0
 */
export class ConvexClient extends Context.Service<
  ConvexClient,
  {
    /** The result as of now. */
    readonly query: <F extends FunctionReference<"query">>(query: F, args: FunctionArgs<F>) => Returns<F>
    readonly mutation: <F extends FunctionReference<"mutation">>(
      mutation: F,
      args: FunctionArgs<F>,
      options?: MutationOptions
    ) => Returns<F>
    /** An action is sent at most once. */
    readonly action: <F extends FunctionReference<"action">>(action: F, args: FunctionArgs<F>) => Returns<F>
    /**
     * The result, and each later one. Latest wins: what a slow consumer did not take yet is replaced. Survives
     * reconnects; fails when the query does.
     */
    readonly subscribe: <F extends FunctionReference<"query">>(
      query: F,
      args: FunctionArgs<F>
    ) => Stream.Stream<FunctionReturnType<F>, ConvexSyncError>
    /** The state now, and each change. Ends after `closed`. */
    readonly connection: Stream.Stream<Connection>
  }
>()("@opencode-worker/convex-sync/ConvexClient") {
  /** A connection for as long as the scope. */
  static readonly make = (
    options: ConvexClientOptions
  ): Effect.Effect<ConvexClient["Service"], ConvexSyncError, Scope.Scope> => open(options)

  /** Connects in the background: building the layer does not wait for the deployment. */
  static readonly layer = (options: ConvexClientOptions): Layer.Layer<ConvexClient, ConvexSyncError> =>
    Layer.effect(ConvexClient, ConvexClient.make(options))
}

const connectError = (reason: ConvexSyncError["reason"]) => new ConvexSyncError({ operation: "connect", reason })

const parseUrl = Effect.fnUntraced(function* (text: string) {
  if (!URL.canParse(text)) return yield* connectError(new InvalidUrl({ problem: "is not an absolute URL" }))
  const url = new URL(text)
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return yield* connectError(new InvalidUrl({ problem: `begins with ${url.protocol}, not with https: or http:` }))
  }
  return url.href.replace(/\/+$/, "")
})

const connectionOf = (client: Client): Connection => {
  // Another one will be there in a moment.
  if (client.closed) return "reconnecting"
  const state = client.connectionState()
  if (state.isWebSocketConnected) return "connected"
  return state.hasEverConnected ? "reconnecting" : "connecting"
}

const open = Effect.fnUntraced(function* (options: ConvexClientOptions) {
  const url = yield* parseUrl(options.url)
  const closed = yield* Deferred.make<never, ConvexSyncError>()
  const shut = Deferred.fail(closed, connectError(new Closed({ detail: "the client was closed" })))
  const runFork = Effect.runForkWith(yield* Effect.context())
  const runPromise = Effect.runPromiseWith(yield* Effect.context())

  // The promise is kept, whatever happens: the client would throw a rejection at the process.
  const token = options.auth?.pipe(
    Effect.sandbox,
    Effect.tapError((cause) => Effect.logWarning("No token could be had; trying again", cause)),
    Effect.retry(tokenRetries),
    Effect.raceFirst(Deferred.await(closed)),
    Effect.orElseSucceed(() => null)
  )

  const clients = yield* replaceable(({ end, sent }) => {
    const onThrow = (cause: unknown) => {
      const detail = cause instanceof Error ? cause.message : String(cause)
      const fatal = detail.startsWith("[CONVEX FATAL ERROR]")
      const what = fatal
        ? "ended the connection for good; connecting anew"
        : "sent what cannot be understood; reconnecting"
      runFork(Effect.andThen(Effect.logWarning(`The deployment ${what}`, detail), fatal ? end : Effect.void))
    }
    const client = new Client(url, {
      logger: false,
      unsavedChangesWarning: false,
      skipConvexDeploymentUrlCheck: true,
      expectAuth: token !== undefined,
      // The first token is as fresh as any: a second one at once would only run every query twice.
      initialAuthTokenReuse: true,
      webSocketConstructor: guardedSocket({ onThrow, onSend: sent })
    })
    if (token !== undefined) client.setAuth(() => runPromise(token))
    return client
  })
  const { end, sendOnce, sendUntilAnswered, within } = yield* makeCalls(clients, closed)
  yield* Effect.addFinalizer(() =>
    // In this order, so that whoever waits for an answer fails with `Closed` instead of being interrupted.
    shut.pipe(Effect.andThen(end), Effect.andThen(clients.close))
  )
  yield* Effect.forkScoped(clients.run)

  const subscribe: ConvexClient["Service"]["subscribe"] = (query, args) => {
    const operation = getFunctionName(query)
    return Stream.callback<FunctionReturnType<typeof query>, ConvexSyncError>(
      Effect.fnUntraced(function* (queue) {
        // The client would still give what it has.
        if (yield* Deferred.isDone(closed)) return yield* Deferred.await(closed)
        const fail = (error: ConvexSyncError) => Queue.failCauseUnsafe(queue, Cause.fail(error))
        const listen = (client: Client) => {
          try {
            return client.onUpdate(
              query,
              args,
              (value) => {
                clients.heard()
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

  return ConvexClient.of({
    query: (query, args) => {
      const operation = getFunctionName(query)
      const first = Stream.runHead(subscribe(query, args)).pipe(
        Effect.flatMap(Option.match({ onNone: () => Deferred.await(closed), onSome: Effect.succeed }))
      )
      return within(operation, options.queryTimeout ?? "30 seconds", first)
    },
    mutation: (mutation, args, { idempotent = false } = {}) => {
      const operation = getFunctionName(mutation)
      const limit = options.mutationTimeout ?? "30 seconds"
      const start = (client: Client) => client.mutation(mutation, args)
      return idempotent
        ? sendUntilAnswered(limit, operation, args, start)
        : within(operation, limit, sendOnce(operation, args, start))
    },
    action: (action, args) => {
      const operation = getFunctionName(action)
      const sent = sendOnce(operation, args, (client) => client.action(action, args))
      return within(operation, options.actionTimeout ?? "10 minutes", sent)
    },
    subscribe,
    connection: Stream.callback<Connection>(
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
  })
})
