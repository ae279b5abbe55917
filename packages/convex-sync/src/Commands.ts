/**
 * Carries out the commands of operators.
 *
 * Invariants
 * - A process begins each command once. A command that an earlier process left is begun again, if it is idempotent; otherwise
 *   it fails (undo, redo, fork, compact, shell).
 * - The commands of one session are carried out one after another, in their order; so are those of the worker's life, and
 *   its refreshes of the models, which may take long.
 * - Every command that was begun is settled: as done, or as failed with the reason.
 */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import { MAX_MESSAGE, MAX_PAGE, MAX_RESULT } from "@opencode-worker/convex-backend/limits"
import type { FunctionReturnType } from "convex/server"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { api } from "./Backend.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import { resubscribe } from "./internal/resubscribe.ts"
import { retryTransient } from "@opencode-worker/effect-convex"
import { Lease } from "./Lease.ts"

export type QueuedCommand = FunctionReturnType<typeof backendApi.commands.queued>[number]

export interface CommandOutcome {
  /** The reason of a failure. Absent: it is done. */
  readonly error?: string | undefined
  /** JSON. */
  readonly result?: string | undefined
}

/** A command that failed, with a result for the operator. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly message: string
  readonly result: unknown
}> {}

/** The deployment's side of commands. */
export interface CommandStore {
  /** Of this process's lease. */
  readonly epoch: number
  /** The oldest commands that are not settled, now and at each change. */
  readonly windows: Stream.Stream<ReadonlyArray<QueuedCommand>, ConvexSyncError>
  /** Before a command that must not run twice. False: an earlier process began it. May be repeated. */
  readonly begin: (commandId: Id<"commands">) => Effect.Effect<boolean, ConvexSyncError>
  /** May be repeated. */
  readonly settle: (commandId: Id<"commands">, outcome: CommandOutcome) => Effect.Effect<unknown, ConvexSyncError>
}

export interface CommandsOptions {
  /** A command that takes longer fails. Default 2 minutes. */
  readonly timeLimit?: Duration.Input
}

export class Commands extends Context.Service<
  Commands,
  {
    /**
     * Carries out each command with `execute`, whose failure becomes the command's, and whose value its result, as JSON; undefined: there is none. Fails when the lease is lost; after other
     * failures the subscription is restarted. Run it once per process.
     */
    readonly run: <E extends Error, R>(
      execute: (command: QueuedCommand) => Effect.Effect<unknown, E, R>
    ) => Effect.Effect<void, ConvexSyncError, R>
  }
>()("@opencode-worker/convex-sync/Commands") {
  /** Over any store. */
  static readonly make = (port: CommandStore, options: CommandsOptions = {}): Commands["Service"] =>
    Commands.of({ run: (execute) => Effect.scoped(run(port, options, execute)) })

  /** Over the lease. */
  static readonly layer = (options?: CommandsOptions): Layer.Layer<Commands, never, Lease> =>
    Layer.effect(
      Commands,
      Effect.map(Lease, (lease) => Commands.make(commandStore(lease), options))
    )
}

/** Commands for the process that was running when they were issued. */
const ofProcess: ReadonlySet<string> = new Set(["pause", "resume", "drain"])

/** Commands that must not run twice. */
const once: ReadonlySet<string> = new Set(["undo", "redo", "fork", "compact", "shell"])

const interrupted =
  "The worker stopped in the middle of this. It is not repeated by itself: look at the result, and send it again."

/** For the operator, who decides whether to continue. */
const tooLong = (limit: Duration.Duration) =>
  `It took longer than ${Duration.format(limit)} and was stopped. Completed steps stay: send the command again to continue.`

/** JSON that the deployment stores. A result that is too long becomes one that says so: its effects cannot be taken back. */
const resultOf = (value: unknown): string | undefined => {
  if (value === undefined) return undefined
  const text = JSON.stringify(value)
  return text.length <= MAX_RESULT ? text : JSON.stringify({ truncated: true })
}

/** Commands with the same one are carried out one after another. */
const laneOf = ({ command }: QueuedCommand): string => {
  if (command.kind === "refreshModels") return "models"
  return "sessionId" in command ? command.sessionId : "worker"
}

const run = Effect.fnUntraced(function* <E extends Error, R>(
  { begin: beginOnce, epoch, settle, windows }: CommandStore,
  options: CommandsOptions,
  execute: (command: QueuedCommand) => Effect.Effect<unknown, E, R>
) {
  /** Begun, and in the newest window: a command that left the window does not come back. */
  let begun: ReadonlySet<string> = new Set()
  const lanes = new Map<string, Fiber.Fiber<void>>()

  const outcome = (queued: QueuedCommand): Effect.Effect<CommandOutcome, ConvexSyncError, R> => {
    const { kind } = queued.command
    if (queued.epoch !== epoch && ofProcess.has(kind)) {
      return Effect.succeed({ error: "It was sent to a process that has ended" })
    }
    return once.has(kind)
      ? Effect.flatMap(retryTransient(beginOnce(queued.commandId)), (isFirst) =>
          isFirst ? executed(queued) : Effect.succeed({ error: interrupted })
        )
      : executed(queued)
  }

  const executed = (queued: QueuedCommand): Effect.Effect<CommandOutcome, never, R> => {
    const limit = Duration.fromInputUnsafe(options.timeLimit ?? "2 minutes")
    return Effect.suspend(() => execute(queued)).pipe(
      Effect.map((value): CommandOutcome => ({ result: resultOf(value) })),
      Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.succeed({ error: tooLong(limit) }) }),
      Effect.catchCause((cause) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause).pipe(Effect.orDie)
        const failed = Cause.squash(cause)
        const message = failed instanceof Error ? failed.message : String(failed)
        const result = failed instanceof CommandFailed ? resultOf(failed.result) : undefined
        return Effect.succeed({ error: message.slice(0, MAX_MESSAGE).toWellFormed(), result })
      }),
      Effect.withSpan("Commands.execute", { attributes: { kind: queued.command.kind } })
    )
  }

  const carryOut = Effect.fnUntraced(
    function* (queued: QueuedCommand) {
      const ended = yield* outcome(queued)
      if (ended.error !== undefined) {
        yield* Effect.logWarning(`A command to ${queued.command.kind} failed: ${ended.error}`)
      }
      yield* retryTransient(settle(queued.commandId, ended)).pipe(
        Effect.catch((refused) => Effect.logWarning("A command could not be settled", refused.message))
      )
    },
    Effect.catch((refused) => Effect.logWarning("A command could not be begun", refused.message))
  )

  const begin = Effect.fnUntraced(function* (queued: QueuedCommand) {
    const lane = laneOf(queued)
    const before = lanes.get(lane)
    const free = Effect.sync(() => {
      if (lanes.get(lane) === fiber) lanes.delete(lane)
    })
    const fiber: Fiber.Fiber<void> = yield* (before === undefined ? Effect.void : Fiber.await(before)).pipe(
      Effect.andThen(carryOut(queued)),
      Effect.ensuring(Effect.suspend(() => free)),
      Effect.forkScoped
    )
    lanes.set(lane, fiber)
  })

  yield* resubscribe(windows).pipe(
    Stream.runForEach((shown) => {
      const fresh = shown.filter(({ commandId }) => !begun.has(commandId))
      begun = new Set(shown.map(({ commandId }) => commandId))
      return Effect.forEach(fresh, begin, { discard: true })
    })
  )
})

/** The store over a lease. */
export const commandStore = (lease: Lease["Service"]): CommandStore => ({
  epoch: lease.epoch,
  windows: lease.subscribe(api.commands.queued, { limit: MAX_PAGE }),
  begin: (commandId) => lease.mutation(api.commands.begin, { commandId }),
  settle: (commandId, { error, result }) =>
    lease.mutation(api.commands.settle, {
      commandId,
      ...(error !== undefined && { error }),
      ...(result !== undefined && { result })
    })
})
