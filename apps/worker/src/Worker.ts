/**
 * A worker: the activities of the lifecycle in worker-fsm.
 *
 * ```
 *   Registering                 reads the credentials of an earlier start, or shows a pairing code
 *   AwaitingApproval            waits until an operator has approved the code
 *   Connecting                  acquires the lease and the services scoped to it
 *   Ready                       recovers unfinished turns, runs ready turns
 *   Draining                    waits for the running turns
 *   Stopping, Fenced, Failed    releases the lease and all services scoped to it
 * ```
 */
import {
  Agent,
  Commands,
  type ConvexSyncError,
  DeltaWriter,
  isConvexSyncError,
  isLoss,
  Lease,
  Pairing,
  QueryAnswers,
  SessionSync,
  TurnScheduler,
  type WorkerCredentials
} from "@opencode-worker/convex-sync"
import type { ConvexClient } from "@opencode-worker/effect-convex"
import { ModelCache } from "@opencode-worker/model-cache"
import type { OpenCodeHost, TurnBudget } from "@opencode-worker/opencode-host"
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
import * as Credentials from "./state/Credentials.ts"
import { handleCommand } from "./handlers/CommandHandler.ts"
import { answerQuery } from "./handlers/QueryHandler.ts"
import { type AboutWorker, reportInfo } from "./info/WorkerInfo.ts"
import { Catalog } from "./opencode/catalog.ts"
import { openCodeAgent } from "./opencode/agent.ts"
import { publishCatalog, publishModels } from "./opencode/publish.ts"
import { makeUndos, type Undos } from "./handlers/undo/Undos.ts"

export interface WorkerOptions {
  /** The name of the machine that operators see. */
  readonly machine: string
  readonly directory: string
  /** The file that keeps the credentials between two starts. */
  readonly credentials: string
  /** Files and folders that no operator can read through queries. The file of the credentials and its `.undo` folder always are. */
  readonly privatePaths?: ReadonlyArray<string>
  /** Identifies this process among others with the same credentials. */
  readonly processId: string
  /** Time limit for the answer to a request of OpenCode. Default 10 minutes. */
  readonly requestTimeLimit?: Duration.Input
  /** The use at which a turn is stopped, with that of its sub-agents. A prompt may have a smaller one. Default: none. */
  readonly budget?: TurnBudget | undefined
  /** Whether operators may run shell commands, which need no approval. Default: false. */
  readonly allowShell?: boolean | undefined
  /** Runs before a pairing begins: an operator who approves a worker expects that it runs. Default: nothing. */
  readonly beforePairing?: Effect.Effect<void, never, OpenCodeHost>
  /** Shows the code that an operator must approve at the first start. After 10 minutes without approval, shows another code. */
  readonly onPairingCode: (code: string) => Effect.Effect<unknown, ConvexSyncError>
  /** Called once an operator has approved the worker. */
  readonly onApproved?: (owner: string) => Effect.Effect<unknown>
  /** The facts for the list of workers. Default: none are reported. */
  readonly about?: AboutWorker
  /** The only operator that the worker serves, as `issuer|subject`. Default: the one who approves it. */
  readonly owner?: string | undefined
}

const isExpired = ({ reason }: ConvexSyncError) => reason._tag === "Rejected" && reason.code === "Expired"

const { Approved, Connected, Fail, LeaseLost, Registered, Revoked } = WorkerEvent.cases

/** Refusals that end when the deployment is configured or updated, or the worker is. */
const configuration: ReadonlySet<string> = new Set(["Disabled", "Incompatible"])

/** The event for a failure of the deployment. */
const failure = ({ reason }: ConvexSyncError, credentials: string) => {
  const { message } = reason
  const isConfigured = reason._tag === "Rejected" && configuration.has(reason.code)
  if (reason._tag === "InvalidUrl" || isConfigured) return Fail.make({ reason: "Configuration", detail: message })
  return Credentials.isFinal(reason)
    ? Fail.make({ reason: "NotAuthorised", detail: Credentials.pairAgain(message, credentials) })
    : Fail.make({ reason: "Temporary", detail: message })
}

/** The event for the loss of the lease. */
const lossOf = (error: ConvexSyncError, credentials: string) => {
  const { reason } = error
  if (Credentials.isFinal(reason)) {
    return Revoked.make({ detail: Credentials.pairAgain(reason.message, credentials) })
  }
  // Another start would be refused, too.
  return reason._tag === "Rejected" && reason.code === "Incompatible"
    ? failure(error, credentials)
    : LeaseLost.make({ detail: reason.message })
}

/** The services that start and end with the lease. */
const leasedServices = (credentials: WorkerCredentials, { budget, processId, requestTimeLimit }: WorkerOptions) =>
  Layer.mergeAll(
    Commands.layer(),
    TurnScheduler.layer(requestTimeLimit === undefined ? {} : { requestTimeLimit })
  ).pipe(
    Layer.provideMerge(Layer.merge(DeltaWriter.layer(), openCodeAgent(budget))),
    Layer.provideMerge(Lease.layer(credentials, { processId }))
  )
type LeasedServices = Context.Context<Layer.Success<ReturnType<typeof leasedServices>>>

/** Services that a worker requires. */
type WorkerRequirements = Catalog | ConvexClient | FileSystem.FileSystem | ModelCache | OpenCodeHost

/** Starts a worker, which ends with the scope. Send it `Start`; `lifecycle` reports its state, and accepts `Stop`. */
export const makeWorker = Effect.fnUntraced(function* (options: WorkerOptions) {
  const known = yield* Ref.make(yield* Credentials.read(options.credentials))
  const pairing = yield* Ref.make(Option.none<Pairing.PairingAttempt>())
  const leaseRef = yield* ScopedRef.make((): LeasedServices | undefined => undefined)
  const releaseLease = ScopedRef.set(leaseRef, Effect.succeed<LeasedServices | undefined>(undefined))
  const current = Effect.flatMap(ScopedRef.get(leaseRef), Effect.fromNullishOr).pipe(Effect.orDie)
  const undos = makeUndos(`${options.credentials}.undo`)
  const context = yield* Effect.context<WorkerRequirements>()
  /** A refusal of the deployment becomes an event; the lifecycle handles other errors. */
  const toWorkerEvent = <A, E>(work: Effect.Effect<A, E, WorkerRequirements>) =>
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

  const startPairing = Effect.gen(function* () {
    const { about, directory, machine } = options
    const attempt = yield* Pairing.begin({ machine, directory, ...(about && { permissions: about.permissions }) })
    yield* Ref.set(pairing, Option.some(attempt))
    yield* options.onPairingCode(attempt.code)
  })

  const register = Effect.gen(function* () {
    const kept = yield* Ref.get(known)
    if (Option.isSome(kept)) {
      const refused =
        options.owner === undefined
          ? undefined
          : refusedOwner(yield* Pairing.withValidSecret(kept.value, (credentials) => Pairing.owner(credentials)))
      return refused ?? Registered.make({ approved: true })
    }
    yield* options.beforePairing ?? Effect.void
    yield* startPairing
    return Registered.make({ approved: false })
  })

  const awaitApproval = Effect.gen(function* () {
    const credentials = yield* Effect.orDie(Effect.flatMap(Ref.get(pairing), Effect.fromOption)).pipe(
      Effect.flatMap(Pairing.approved),
      // An operator who returns later sees a code that is still valid.
      Effect.tapError((error) => (isExpired(error) ? startPairing : Effect.void)),
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
    // The old lease is released first, because acquiring a new one while holding it would fence this process.
    yield* releaseLease
    const begin = (credentials: WorkerCredentials) =>
      ScopedRef.set(
        leaseRef,
        Effect.tap(Layer.build(leasedServices(credentials, options)), (services) =>
          Effect.provideContext(runBackground(actor, options, undos), services)
        )
      ).pipe(Effect.as(credentials))
    const accepted = yield* Pairing.withValidSecret(kept, begin)
    // A rotation was interrupted. The lease proves which secret is valid.
    if (kept.previous !== undefined) yield* remember(accepted)
    return Connected.make({})
  })

  const serve = Effect.gen(function* () {
    const services = yield* current
    const { recover, run } = Context.get(services, TurnScheduler)
    // Files that are half reverted are restored before a turn reads them.
    yield* undos.settle
    yield* Effect.all(
      [retryUnlessFenced(recover), run, retryUnlessFenced(publishModels), retryUnlessFenced(publishCatalog)],
      concurrently
    ).pipe(Effect.provideContext(services))
  })

  const drain = Effect.flatMap(current, (services) => Context.get(services, TurnScheduler).idle)

  const lifecycle = yield* Layer.build(
    WorkerLifecycle.layer({
      activities: {
        Registering: () => toWorkerEvent(register),
        AwaitingApproval: () => toWorkerEvent(awaitApproval),
        Connecting: (_, actor) => toWorkerEvent(connect(actor)),
        Ready: () => toWorkerEvent(serve),
        Draining: () => drain,
        Stopping: () => releaseLease,
        Fenced: () => releaseLease,
        Failed: () => releaseLease
      }
    })
  )
  return {
    lifecycle: Context.get(lifecycle, WorkerLifecycle),
    /** Of the lease, while it is held. */
    epoch: Effect.map(ScopedRef.get(leaseRef), (services) =>
      services === undefined ? Option.none() : Option.some(Context.get(services, Lease).epoch)
    ),
    /** Known once the worker is approved. */
    workerId: Effect.map(
      Ref.get(known),
      Option.map(({ workerId }) => workerId)
    )
  }
})

type WorkerActor = Actor.Actor<WorkerState, WorkerEvent>

/**
 * Runs as long as the lease, also while the worker is paused: reports the worker's state and OpenCode's sessions, executes
 * commands, answers queries, and reacts to the loss of the lease.
 */
const runBackground = Effect.fnUntraced(function* (
  actor: WorkerActor,
  { about, allowShell = false, credentials, privatePaths = [] }: WorkerOptions,
  undos: Undos
) {
  const { sessions } = yield* Agent
  const commands = yield* Commands
  const lease = yield* Lease
  yield* Stream.unwrap(Effect.map(actor.subscribe, Stream.fromSubscription)).pipe(
    Stream.runForEach((state) => lease.setPhase(state._tag.toLowerCase())),
    Effect.forkScoped
  )
  // These fail only when the lease is lost, and that is handled below.
  const options = { undos, allowShell }
  yield* commands.run((command) => handleCommand(command, actor, options)).pipe(Effect.ignore, Effect.forkScoped)
  yield* QueryAnswers.run((query) => answerQuery(query, [credentials, `${credentials}.undo`, ...privatePaths])).pipe(
    Effect.ignore,
    Effect.forkScoped
  )
  // Only an event reports a deletion, so none may be missed.
  yield* retryUnlessFenced(SessionSync.run(sessions)).pipe(Effect.ignore, Effect.forkScoped)
  if (about !== undefined) {
    yield* Effect.forkScoped(Effect.ignore(reportInfo(about, allowShell)))
  }
  yield* lease.lost.pipe(
    Effect.catch((error) => actor.send(lossOf(error, credentials))),
    Effect.ignore,
    Effect.forkScoped
  )
})

const concurrently = { concurrency: "unbounded", discard: true } as const

/** A refusal of the deployment ends no turn: the work is restarted, unless the lease is lost. */
const retryUnlessFenced = <A, R>(work: Effect.Effect<A, ConvexSyncError, R>) =>
  work.pipe(
    Effect.tapError(({ message }) => Effect.logWarning(message)),
    Effect.retry({ while: (error) => !isLoss(error), schedule: Schedule.spaced("5 seconds") })
  )
