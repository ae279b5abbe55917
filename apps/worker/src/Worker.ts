/**
 * A worker: its life as `worker-fsm` tells it, and what it does in each state.
 *
 * ```
 *   Registering                 credentials of an earlier start, or a pairing code
 *   AwaitingApproval            until an operator has approved the code
 *   Connecting                  takes the lease, and with it everything that writes
 *   Ready                       settles what an earlier process left, runs what is asked
 *   Draining                    waits for the running turns
 *   Stopping, Fenced, Failed    lets the lease and everything under it go
 * ```
 *
 * @since 0.1.0
 */
import {
  Commands,
  type ConvexSyncError,
  DeltaWriter,
  Inbox,
  isConvexSyncError,
  isLoss,
  Lease,
  ModelPublisher,
  Pairing,
  Requests,
  SessionSync,
  Settlement,
  type WorkerCredentials
} from "@opencode-worker/convex-sync"
import type { ConvexClient } from "@opencode-worker/effect-convex"
import { ModelCache } from "@opencode-worker/model-cache"
import type { OpenCodeHost } from "@opencode-worker/opencode-host"
import { WorkerEvent, WorkerLifecycle, type WorkerState } from "@opencode-worker/worker-fsm"
import type { Actor } from "@opencode-worker/worker-fsm/machine"
import {
  Context,
  type Duration,
  Effect,
  type FileSystem,
  Layer,
  Option,
  Ref,
  Schedule,
  ScopedRef,
  Stream
} from "effect"
import { whenRunning } from "./opencode/hopeless.ts"
import * as Credentials from "./state/Credentials.ts"
import { execute } from "./Execute.ts"
import { makeIntake } from "./Intake.ts"
import { openCodeRecord } from "./OpenCodeRecord.ts"
import { openCodeRequests } from "./OpenCodeRequests.ts"
import { openCodeSessions } from "./OpenCodeSessions.ts"
import { RunningTurns } from "./RunningTurns.ts"
import { Sessions } from "./Sessions.ts"

export interface WorkerOptions {
  /** What operators see this worker as. */
  readonly machine: string
  readonly directory: string
  /** Where the credentials are kept between two starts. */
  readonly credentials: string
  /** Tells this process from others that might claim to be the same worker. */
  readonly processId: string
  /** How long a person may take to answer what OpenCode asks. Default 10 minutes. */
  readonly requestTimeLimit?: Duration.Input
  /** Shows the code that an operator must approve, at the first start; another one after 10 minutes without approval. */
  readonly onPairingCode: (code: string) => Effect.Effect<unknown, ConvexSyncError>
  /** Called once an operator has approved the worker. */
  readonly onApproved?: (owner: string) => Effect.Effect<unknown>
  /** The only operator that the worker serves, as `issuer|subject`. Default: the one who approves it. */
  readonly owner?: string | undefined
}

const isExpired = ({ reason }: ConvexSyncError) => reason._tag === "Rejected" && reason.code === "Expired"

const { Approved, Connected, Fail, LeaseLost, Registered, Revoked } = WorkerEvent.cases

/** What a failure of the deployment means for the worker. */
const failure = ({ reason }: ConvexSyncError, credentials: string) => {
  const { message } = reason
  const isDisabled = reason._tag === "Rejected" && reason.code === "Disabled"
  if (reason._tag === "InvalidUrl" || isDisabled) return Fail.make({ reason: "Configuration", detail: message })
  return Credentials.isFinal(reason)
    ? Fail.make({ reason: "NotAuthorised", detail: Credentials.pairAgain(message, credentials) })
    : Fail.make({ reason: "Temporary", detail: message })
}

/** What it means that the deployment took the lease away. */
const lossOf = ({ reason }: ConvexSyncError, credentials: string) =>
  Credentials.isFinal(reason)
    ? Revoked.make({ detail: Credentials.pairAgain(reason.message, credentials) })
    : LeaseLost.make({ detail: reason.message })

/** OpenCode decides which calls need a permission (see `alwaysAsk` of its host); a person answers all of them. */
const requests = (timeLimit: Duration.Input = "10 minutes") =>
  Layer.unwrap(Effect.map(openCodeRequests, (port) => Requests.layer(port, { timeLimit })))

/** OpenCode's record decides what became of a turn. */
const settlement = Layer.unwrap(Effect.map(openCodeRecord, Settlement.layer))

/** All that lives under the lease: it begins with it and ends with it. */
const tenancy = Effect.fnUntraced(function* (credentials: WorkerCredentials, options: WorkerOptions) {
  const services = yield* Layer.build(
    Layer.mergeAll(
      Commands.layer(),
      Inbox.layer(),
      requests(options.requestTimeLimit),
      RunningTurns.layer,
      Sessions.layer,
      settlement
    ).pipe(
      Layer.provideMerge(DeltaWriter.layer()),
      Layer.provideMerge(Lease.layer(credentials, { processId: options.processId }))
    )
  )
  // Made last, so that it ends first: no turn outlives what it writes with.
  const intake = yield* Effect.provideContext(makeIntake, services)
  return { intake, services }
})
type Tenancy = Effect.Success<ReturnType<typeof tenancy>>

/** What a worker is put into. */
type Surroundings = ConvexClient | FileSystem.FileSystem | ModelCache | OpenCodeHost

/**
 * Starts a worker, which ends with the scope. Send it `Start`; `lifecycle` says how it is, and takes `Stop`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeWorker = Effect.fnUntraced(function* (options: WorkerOptions) {
  const known = yield* Ref.make(yield* Credentials.read(options.credentials))
  const pairing = yield* Ref.make(Option.none<Pairing.Attempt>())
  const held = yield* ScopedRef.make((): Tenancy | undefined => undefined)
  const letGo = ScopedRef.set(held, Effect.succeed<Tenancy | undefined>(undefined))
  const current = Effect.flatMap(ScopedRef.get(held), Effect.fromNullishOr).pipe(Effect.orDie)
  const context = yield* Effect.context<Surroundings>()
  /** What the deployment refused becomes the event that it means; the rest is the lifecycle's to judge. */
  const explained = <A, E>(work: Effect.Effect<A, E, Surroundings>) =>
    work.pipe(
      Effect.catchIf(isConvexSyncError, (error) => Effect.succeed(failure(error, options.credentials))),
      Effect.provideContext(context)
    )

  /** The event for a worker that belongs to another operator than the one that it may serve. */
  const refusedOwner = (owner: string) =>
    options.owner === undefined || options.owner === owner
      ? undefined
      : Fail.make({
          reason: "NotAuthorised",
          detail: `This worker belongs to ${owner}, and only ${options.owner} may own it. To pair it again, remove ${options.credentials} and start it.`
        })

  const remember = Effect.fnUntraced(function* (credentials: WorkerCredentials) {
    yield* Credentials.write(options.credentials, credentials)
    yield* Ref.set(known, Option.some(credentials))
  })

  const introduce = Effect.gen(function* () {
    const attempt = yield* Pairing.begin({ machine: options.machine, directory: options.directory })
    yield* Ref.set(pairing, Option.some(attempt))
    yield* options.onPairingCode(attempt.code)
  })

  const register = Effect.gen(function* () {
    const kept = yield* Ref.get(known)
    if (Option.isSome(kept)) {
      const refused =
        options.owner === undefined
          ? undefined
          : refusedOwner(yield* Pairing.withCurrent(kept.value, (credentials) => Pairing.owner(credentials)))
      return refused ?? Registered.make({ approved: true })
    }
    yield* introduce
    return Registered.make({ approved: false })
  })

  const awaitApproval = Effect.gen(function* () {
    const credentials = yield* Effect.orDie(Effect.flatMap(Ref.get(pairing), Effect.fromOption)).pipe(
      Effect.flatMap(Pairing.approved),
      // A person who comes back later finds a code that is still good.
      Effect.tapError((error) => (isExpired(error) ? introduce : Effect.void)),
      Effect.retry({ while: isExpired })
    )
    const refused = refusedOwner(credentials.ownerId)
    if (refused !== undefined) return refused
    yield* remember(credentials)
    yield* options.onApproved?.(credentials.ownerId) ?? Effect.void
    return Approved.make({})
  })

  const connect = Effect.fnUntraced(function* (actor: WorkerActor) {
    const kept = yield* Effect.orDie(Effect.flatMap(Ref.get(known), Effect.fromOption))
    // The old lease first: taking a new one while holding it would fence ourselves.
    yield* letGo
    const begin = (credentials: WorkerCredentials) =>
      ScopedRef.set(
        held,
        Effect.tap(tenancy(credentials, options), ({ services }) =>
          Effect.provideContext(attend(actor, options.credentials), services)
        )
      ).pipe(Effect.as(credentials))
    const accepted = yield* Pairing.withCurrent(kept, begin)
    // A rotation was cut short: under the lease it is certain which secret counts.
    if (kept.previous !== undefined) yield* remember(accepted)
    return Connected.make({})
  })

  const serve = Effect.gen(function* () {
    const { intake, services } = yield* current
    yield* Effect.all([again(intake.settle), intake.take, again(publishModels)], concurrently).pipe(
      Effect.provideContext(services)
    )
  })

  const drain = Effect.flatMap(current, ({ intake }) => intake.idle)

  const lifecycle = yield* Layer.build(
    WorkerLifecycle.layer({
      activities: {
        Registering: () => explained(register),
        AwaitingApproval: () => explained(awaitApproval),
        Connecting: (_, actor) => explained(connect(actor)),
        Ready: () => explained(serve),
        Draining: () => drain,
        Stopping: () => letGo,
        Fenced: () => letGo,
        Failed: () => letGo
      }
    })
  )
  return {
    lifecycle: Context.get(lifecycle, WorkerLifecycle),
    /** Known once the worker is approved. */
    workerId: Effect.map(
      Ref.get(known),
      Option.map(({ workerId }) => workerId)
    )
  }
})

type WorkerActor = Actor.Actor<WorkerState, WorkerEvent>

/**
 * For as long as the lease, also while the worker is paused: tells operators how the worker is and which sessions OpenCode
 * has, does what they say, and notices when the lease is lost.
 */
const attend = Effect.fnUntraced(function* (actor: WorkerActor, credentialsFile: string) {
  const commands = yield* Commands
  const lease = yield* Lease
  yield* Stream.unwrap(Effect.map(actor.subscribe, Stream.fromSubscription)).pipe(
    Stream.runForEach((state) => lease.setPhase(state._tag.toLowerCase())),
    Effect.forkScoped
  )
  // These fail only when the lease is lost, which is attended to below.
  yield* commands.run((command) => execute(command, actor)).pipe(Effect.ignore, Effect.forkScoped)
  // A deletion is told by an event alone, so none may be missed.
  yield* again(Effect.flatMap(openCodeSessions, SessionSync.run)).pipe(Effect.ignore, Effect.forkScoped)
  yield* lease.lost.pipe(
    Effect.catch((error) => actor.send(lossOf(error, credentialsFile))),
    Effect.ignore,
    Effect.forkScoped
  )
})

const concurrently = { concurrency: "unbounded", discard: true } as const

/** What the deployment refuses for another reason than that the lease is lost is begun again: no turn ends because of it. */
const again = <A, R>(work: Effect.Effect<A, ConvexSyncError, R>) =>
  work.pipe(
    Effect.tapError(({ message }) => Effect.logWarning(message)),
    Effect.retry({ while: (error) => !isLoss(error), schedule: Schedule.spaced("5 seconds") })
  )

/** Operators see the models that there are. A list that cannot be had is tried again by the cache. */
const publishModels = Effect.gen(function* () {
  const models = yield* ModelCache
  yield* Effect.forkChild(Effect.ignore(Effect.andThen(whenRunning, models.get)))
  yield* ModelPublisher.publish(
    Stream.map(
      Stream.unwrap(Effect.map(models.subscribe, Stream.fromSubscription)),
      ({ hash, models: all, default: chosen }) => ({
        hash,
        models: all,
        default: chosen ?? undefined
      })
    )
  )
})
