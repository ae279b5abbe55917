/**
 * The right to write as a worker: held by at most one process, kept by heartbeats, lost for good when another process
 * takes over.
 *
 * Invariants
 * - Between two heartbeats at most one is in flight.
 * - `lost` fails at most once, and only by the deployment's word. Silence alone is no loss: while the deployment is away
 *   nobody else can take over either, and what was written under a stale epoch is refused there.
 *
 * ```
 *   acquire ─▶ held ── 10 s, or a new phase ─▶ heartbeat ── ok ─▶ held
 *               │                                 ├── no answer ─▶ held, `remaining` runs down
 *               └── scope closes: release         └── Fenced, Revoked, WrongSecret ─▶ lost
 * ```
 *
 * @since 0.1.0
 */
import { ConvexClient } from "@opencode-worker/effect-convex"
import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server"
import { Clock, Context, Deferred, Duration, Effect, Layer, Queue, Redacted, Ref, type Scope, Stream } from "effect"
import { api, type WorkerCredentials } from "./Backend.ts"
import { type ConvexSyncError, isLoss } from "./ConvexSyncError.ts"
import { retryTransient } from "./retryTransient.ts"

/**
 * Server times in milliseconds: only their difference means something here.
 *
 * @category models
 * @since 0.1.0
 */
export interface Term {
  readonly leaseExpiresAt: number
  readonly serverTime: number
}

/**
 * What a lease needs from a deployment.
 *
 * @category ports
 * @since 0.1.0
 */
export interface LeasePort {
  readonly acquire: (processId: string) => Effect.Effect<Term & { readonly epoch: number }, ConvexSyncError>
  /** The next one waits for it, however long it takes. */
  readonly heartbeat: (epoch: number, phase: string) => Effect.Effect<Term, ConvexSyncError>
  readonly release: (epoch: number) => Effect.Effect<unknown, ConvexSyncError>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface LeaseOptions {
  /** Tells processes apart. One that died may be followed at once by one of the same id; others wait for the lease to end. */
  readonly processId: string
  /** What the worker is doing at first, for operators. Default `connecting`. */
  readonly phase?: string
  /** From a heartbeat that was confirmed to the next one; default 10 seconds. A lease ends after 25 seconds. */
  readonly interval?: Duration.Input
}

/**
 * A lease that is held until its scope closes.
 *
 * @category models
 * @since 0.1.0
 */
export interface HeldLease {
  /** The fencing number that every write carries. */
  readonly epoch: number
  /** Fails when the lease is lost, with `Fenced`, `Revoked` or `WrongSecret`; never succeeds. */
  readonly lost: Effect.Effect<never, ConvexSyncError>
  /** Says what the worker is doing, by a heartbeat at once. */
  readonly setPhase: (phase: string) => Effect.Effect<void>
  /** Time until another process could take over if no heartbeat were confirmed any more; zero when it is over. */
  readonly remaining: Effect.Effect<Duration.Duration>
  /** Passes on what another call failed with, so that a loss is noticed where it shows first. */
  readonly report: (error: ConvexSyncError) => Effect.Effect<void>
}

const defaultInterval = Duration.seconds(10)
/** Stopping waits no longer than this for the release; without it the next process waits out the lease. */
const releaseTimeout = "2 seconds"

/** When the term that `ask` gives ends, on this machine's clock: counted from before the question was sent. */
const endOf = Effect.fnUntraced(function* <A extends Term>(ask: Effect.Effect<A, ConvexSyncError>) {
  const askedAt = yield* Clock.currentTimeMillis
  const term = yield* ask
  return { term, endsAt: askedAt + term.leaseExpiresAt - term.serverTime }
})

const hold = Effect.fnUntraced(function* (port: LeasePort, options: LeaseOptions) {
  const interval = options.interval ?? defaultInterval
  const lost = yield* Deferred.make<never, ConvexSyncError>()
  const phase = yield* Ref.make(options.phase ?? "connecting")
  const wake = yield* Queue.sliding<void>(1)
  const report = (error: ConvexSyncError) => (isLoss(error) ? Deferred.fail(lost, error) : Effect.void)

  const release = (epoch: number) =>
    Effect.flatMap(Deferred.isDone(lost), (is) => (is ? Effect.void : port.release(epoch))).pipe(
      Effect.interruptible,
      Effect.timeoutOption(releaseTimeout),
      Effect.ignore
    )
  const acquired = yield* Effect.acquireRelease(
    endOf(port.acquire(options.processId)),
    ({ term }) => release(term.epoch),
    { interruptible: true }
  )
  const { epoch } = acquired.term
  const endsAt = yield* Ref.make(acquired.endsAt)

  const beat = Effect.gen(function* () {
    const confirmed = yield* endOf(port.heartbeat(epoch, yield* Ref.get(phase)))
    yield* Ref.set(endsAt, confirmed.endsAt)
  }).pipe(
    Effect.catch((error) =>
      Effect.andThen(Effect.logWarning("The heartbeat was not confirmed", error.message), report(error))
    ),
    Effect.withSpan("Lease.beat")
  )
  yield* Queue.take(wake).pipe(
    Effect.timeoutOption(interval),
    Effect.andThen(beat),
    Effect.forever,
    Effect.raceFirst(Deferred.await(lost)),
    Effect.ignore,
    Effect.forkScoped
  )

  return {
    epoch,
    lost: Deferred.await(lost),
    setPhase: (next: string) => Effect.andThen(Ref.set(phase, next), Effect.asVoid(Queue.offer(wake, undefined))),
    remaining: Effect.gen(function* () {
      return Duration.millis(Math.max(0, (yield* Ref.get(endsAt)) - (yield* Clock.currentTimeMillis)))
    }),
    report
  } satisfies HeldLease
})

/** What a worker's function takes besides its own arguments. */
type Signed = { readonly workerId: WorkerCredentials["workerId"]; readonly secret: string; readonly epoch: number }
type Own<F extends FunctionReference<"query" | "mutation">> = Omit<FunctionArgs<F>, keyof Signed>

/**
 * The lease of this process, and the calls that may be made under it: each is signed with the worker's credentials and
 * epoch, and one that is refused because the lease was lost ends the lease.
 *
 * Every function of a worker may be called twice, so a call is under way until the deployment has answered: it outlasts any
 * absence. Give it a limit of your own where you cannot wait.
 *
 * @category services
 * @since 0.1.0
 */
export class Lease extends Context.Service<
  Lease,
  Omit<HeldLease, "report"> & {
    readonly workerId: WorkerCredentials["workerId"]
    readonly query: <F extends FunctionReference<"query">>(
      query: F,
      args: Own<F>
    ) => Effect.Effect<FunctionReturnType<F>, ConvexSyncError>
    readonly mutation: <F extends FunctionReference<"mutation">>(
      mutation: F,
      args: Own<F>
    ) => Effect.Effect<FunctionReturnType<F>, ConvexSyncError>
    readonly subscribe: <F extends FunctionReference<"query">>(
      query: F,
      args: Own<F>
    ) => Stream.Stream<FunctionReturnType<F>, ConvexSyncError>
  }
>()("@opencode-worker/convex-sync/Lease") {
  /**
   * A lease over any deployment, without the calls. Fails with `Rejected` and the code `Conflict` while another process
   * holds it; released with the scope.
   */
  static readonly make = (
    port: LeasePort,
    options: LeaseOptions
  ): Effect.Effect<HeldLease, ConvexSyncError, Scope.Scope> => hold(port, options)

  /** Acquires the lease over `ConvexClient`, and releases it with the layer. */
  static readonly layer = (
    credentials: WorkerCredentials,
    options: LeaseOptions
  ): Layer.Layer<Lease, ConvexSyncError, ConvexClient> => Layer.effect(Lease, overConvex(credentials, options))
}

const overConvex = Effect.fnUntraced(function* (credentials: WorkerCredentials, options: LeaseOptions) {
  const convex = yield* ConvexClient
  const { workerId } = credentials
  const known = { workerId, secret: Redacted.value(credentials.secret) }
  const held = yield* hold(
    {
      acquire: (processId) => convex.mutation(api.lease.acquire, { ...known, processId }),
      heartbeat: (epoch, phase) =>
        convex.mutation(api.lease.heartbeat, { ...known, epoch, phase }, { idempotent: true }),
      release: (epoch) => convex.mutation(api.lease.release, { ...known, epoch })
    },
    options
  )
  const signed = <F extends FunctionReference<"query" | "mutation">>(args: Own<F>) =>
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what Omit took out is put back
    ({ ...args, ...known, epoch: held.epoch }) as FunctionArgs<F>
  const watched = <A>(call: Effect.Effect<A, ConvexSyncError>) => Effect.tapError(call, held.report)
  return Lease.of({
    epoch: held.epoch,
    lost: held.lost,
    setPhase: held.setPhase,
    remaining: held.remaining,
    workerId,
    query: (query, args) => watched(retryTransient(convex.query(query, signed<typeof query>(args)))),
    mutation: (mutation, args) =>
      watched(convex.mutation(mutation, signed<typeof mutation>(args), { idempotent: true })),
    subscribe: (query, args) => convex.subscribe(query, signed<typeof query>(args)).pipe(Stream.tapError(held.report))
  })
})
