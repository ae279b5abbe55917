/**
 * The right to write as a worker: held by at most one process, renewed by heartbeats, and lost for good when another process
 * takes over.
 *
 * Invariants
 * - Between two heartbeats at most one is in flight.
 * - `lost` fails at most once, and only when the deployment says so. Without a response the lease is kept: while the
 *   deployment is unreachable no other process can take over, and writes under a stale epoch are refused.
 *
 * ```
 *   acquire ─▶ held ── 10 s, or a new phase ─▶ heartbeat ── ok ─▶ held
 *               │                                 ├── no answer ─▶ held, `remaining` runs down
 *               └── scope closes: release         └── Fenced, Revoked, WrongSecret, Incompatible ─▶ lost
 * ```
 */
import { ConvexClient, retryTransient } from "@opencode-worker/effect-convex"
import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { api, type WorkerCredentials } from "./Backend.ts"
import { type ConvexSyncError, isLoss } from "./ConvexSyncError.ts"
import { acquireLease } from "./internal/acquire.ts"

/** Server times in milliseconds: only their difference is used here. */
export interface LeaseTerm {
  readonly leaseExpiresAt: number
  readonly serverTime: number
}

/** The deployment's side of a lease. */
export interface LeaseStore {
  readonly acquire: (processId: string) => Effect.Effect<LeaseTerm & { readonly epoch: number }, ConvexSyncError>
  /** Waits until the deployment responds. */
  readonly heartbeat: (epoch: number, phase: string) => Effect.Effect<LeaseTerm, ConvexSyncError>
  readonly release: (epoch: number) => Effect.Effect<unknown, ConvexSyncError>
}

export interface LeaseOptions {
  /** Identifies the process. A process with the same id takes the lease over at once; others wait until it expires. */
  readonly processId: string
  /** The first phase that operators see. Default `connecting`. */
  readonly phase?: string
  /** From a confirmed heartbeat to the next one; default 10 seconds. A lease expires after 25 seconds. */
  readonly interval?: Duration.Input
}

/** A lease that is held until its scope closes. */
export interface HeldLease {
  /** The fencing number that every write carries. */
  readonly epoch: number
  /** Fails when the lease is lost, with `Fenced`, `Revoked`, `WrongSecret` or `Incompatible`; never succeeds. */
  readonly lost: Effect.Effect<never, ConvexSyncError>
  /** Reports the phase of the worker, with a heartbeat at once. */
  readonly setPhase: (phase: string) => Effect.Effect<void>
  /** Time until another process could take over if no further heartbeat were confirmed; zero when the lease has expired. */
  readonly remaining: Effect.Effect<Duration.Duration>
  /** Reports the failure of another call, so that a loss is noticed at the first refused call. */
  readonly report: (error: ConvexSyncError) => Effect.Effect<void>
}

const defaultInterval = Duration.seconds(10)
/** Stopping waits no longer than this for the release. Without a release the next process waits until the lease expires. */
const releaseTimeout = "2 seconds"

/** The end of the term that `ask` returns, on this machine's clock, counted from before the request was sent. */
const endOf = Effect.fnUntraced(function* <A extends LeaseTerm>(ask: Effect.Effect<A, ConvexSyncError>) {
  const askedAt = yield* Clock.currentTimeMillis
  const term = yield* ask
  return { term, endsAt: askedAt + term.leaseExpiresAt - term.serverTime }
})

const hold = Effect.fnUntraced(function* (port: LeaseStore, options: LeaseOptions) {
  const interval = options.interval ?? defaultInterval
  const lost = yield* Deferred.make<never, ConvexSyncError>()
  const phase = yield* Ref.make(options.phase ?? "connecting")
  const wake = yield* Queue.sliding<void>(1)
  const report = (error: ConvexSyncError) =>
    isLoss(error)
      ? Effect.flatMap(Deferred.fail(lost, error), (isFirst) =>
          isFirst ? Effect.logWarning(`The lease is lost: ${error.message}`) : Effect.void
        )
      : Effect.void

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
  yield* Effect.logInfo("The lease is acquired", { epoch })
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

/** Arguments of every worker function, besides its own. */
type Signed = { readonly workerId: WorkerCredentials["workerId"]; readonly secret: string; readonly epoch: number }
type Own<F extends FunctionReference<"query" | "mutation">> = Omit<FunctionArgs<F>, keyof Signed>

/**
 * The lease of this process, and the calls that may be made under it: each is signed with the worker's credentials and
 * epoch, and one that is refused because the lease was lost ends the lease.
 *
 * Every function of a worker may be called twice, so a call is under way until the deployment has answered: it outlasts any
 * outage. Set a limit of your own where the caller cannot wait.
 */
export class Lease extends Context.Service<
  Lease,
  Omit<HeldLease, "report"> & {
    readonly workerId: WorkerCredentials["workerId"]
    /** The deployment's URL, as this worker reaches it. */
    readonly url: string
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
   * holds it, and `Incompatible` if the releases are too far apart; released with the scope.
   */
  static readonly make = (
    port: LeaseStore,
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
      acquire: (processId) => acquireLease(convex, known, processId),
      heartbeat: (epoch, phase) =>
        convex.mutation(api.lease.heartbeat, { ...known, epoch, phase }, { idempotent: true }),
      release: (epoch) => convex.mutation(api.lease.release, { ...known, epoch })
    },
    options
  )
  const signed = <F extends FunctionReference<"query" | "mutation">>(args: Own<F>) =>
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the omitted fields are added
    ({ ...args, ...known, epoch: held.epoch }) as FunctionArgs<F>
  const watched = <A>(call: Effect.Effect<A, ConvexSyncError>) => Effect.tapError(call, held.report)
  return Lease.of({
    epoch: held.epoch,
    lost: held.lost,
    setPhase: held.setPhase,
    remaining: held.remaining,
    workerId,
    url: convex.url,
    query: (query, args) => watched(retryTransient(convex.query(query, signed<typeof query>(args)))),
    mutation: (mutation, args) =>
      watched(convex.mutation(mutation, signed<typeof mutation>(args), { idempotent: true })),
    subscribe: (query, args) => convex.subscribe(query, signed<typeof query>(args)).pipe(Stream.tapError(held.report))
  })
})
