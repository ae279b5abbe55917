/**
 * Runs the workers of several directories in one process, each apart from the others.
 *
 * ```
 *   starting ─▶ runs ── stop, drain ─────────────────▶ ended
 *      ▲          └─ fails ─▶ waits 1, 2, 4, … 30 s ─▶ starting …      the only worker: the process ends with its exit code
 *      └──────────────────────┘      └─ not authorised ─▶ waits for a changed configuration
 * ```
 *
 * A reload stops the workers whose settings changed, waits for their turns, and starts them with the new settings.
 */
import { basename } from "node:path"
import { Cause, Clock, Deferred, Effect, Exit, Fiber, Option, Queue, type Scope } from "effect"
import { type AppError, exitCodes, temporaryError, toAppError } from "../AppError.ts"
import type { Loaded } from "../config/load.ts"
import type { DirectoryValues } from "../config/settings.ts"
import { initialFacts, RunningWorkers } from "../health/RunningWorkers.ts"
import { atSignals } from "../runMain.ts"
import { LinePrefix } from "../terminal/output/announce.ts"
import { LogFormat } from "../terminal/output/LogFormat.ts"
import { none, screen, ScreenText } from "../terminal/output/ScreenText.ts"
import { changesOf } from "./changesOf.ts"
import { advice, runWorker } from "./runWorker.ts"

interface Entry {
  readonly text: string
  /** Ends the worker: a running one finishes its turns first. */
  stop: Effect.Effect<unknown>
  readonly ended: Deferred.Deferred<void>
}

const firstDelay = 1_000
const longestDelay = 30_000
/** A worker that ran this long starts again after the first delay. */
const healthyAfter = 60_000

type Requirements = Effect.Services<ReturnType<typeof runWorker>> | RunningWorkers

export const supervise = Effect.fnUntraced(function* (
  initial: Loaded["directories"],
  reloads: Queue.Dequeue<Loaded["directories"]>
): Effect.fn.Return<void, AppError, Requirements | Scope.Scope> {
  const entries = new Map<string, Entry>()
  const results = yield* Queue.unbounded<Exit.Exit<void, AppError>>()
  let isStopping = false
  let several = initial.length > 1

  /** Runs a worker until it ends by itself, or fails alone. */
  const keepRunning = Effect.fnUntraced(function* (given: DirectoryValues, entry: Entry) {
    const facts = initialFacts(given.directory, given.url ?? "")
    yield* RunningWorkers.use(({ add }) => add(facts))
    const interrupt = entry.stop
    let shown = ""
    for (let delay = firstDelay; ; delay = Math.min(longestDelay, delay * 2)) {
      const startedAt = yield* Clock.currentTimeMillis
      const exit = yield* runWorker(given, facts, (stop) =>
        Effect.sync(() => {
          entry.stop = stop
        })
      ).pipe(
        Effect.mapError((error) => toAppError(error, advice)),
        // An interruption of this fiber does not come here: the worker has interrupted itself.
        Effect.catchCauseIf(Cause.hasInterruptsOnly, () => temporaryError("The worker ended unexpectedly.")),
        Effect.exit
      )
      entry.stop = interrupt
      const error = Option.getOrUndefined(Exit.findErrorOption(exit))
      if (error === undefined || entries.size <= 1 || isStopping) return yield* exit
      facts.state = "Failed"
      facts.detail = error.text
      if ((yield* Clock.currentTimeMillis) - startedAt > healthyAfter) delay = firstDelay
      const isFinal = error.exitCode === exitCodes.NotAuthorised
      const next = isFinal ? "It starts again when its configuration changes." : "It is tried again."
      if (error.text !== shown) yield* Effect.logError(`${error.text} ${next}`)
      shown = error.text
      yield* isFinal ? Effect.never : Effect.sleep(delay)
    }
  }, Effect.scoped)

  const named = Effect.fnUntraced(function* (directory: string) {
    const isPlain = !several && (yield* LogFormat) === "pretty"
    const prefix = several ? screen`[${ScreenText.line(basename(directory))}] ` : none
    return <A, E, R>(run: Effect.Effect<A, E, R>) =>
      Effect.provideService(isPlain ? run : Effect.annotateLogs(run, { directory }), LinePrefix, prefix)
  })

  const begin = Effect.fnUntraced(function* (given: DirectoryValues) {
    const { directory } = given
    const entry: Entry = { text: JSON.stringify(given), stop: Effect.void, ended: Deferred.makeUnsafe() }
    entries.set(directory, entry)
    const started = yield* Deferred.make<void>()
    const run = Effect.andThen(Deferred.await(started), keepRunning(given, entry)).pipe(
      yield* named(directory),
      Effect.onExit((exit) =>
        Effect.suspend(() => {
          if (entries.get(directory) === entry) entries.delete(directory)
          return Effect.andThen(Queue.offer(results, exit), Deferred.succeed(entry.ended, undefined))
        })
      )
    )
    const fiber = yield* Effect.forkScoped(run)
    entry.stop = Effect.forkDetach(Fiber.interrupt(fiber))
    yield* Deferred.succeed(started, undefined)
  })

  const apply = Effect.fnUntraced(function* (wanted: Loaded["directories"]) {
    const texts = new Map([...entries].map(([directory, { text }]) => [directory, text]))
    const { start, stop } = changesOf(
      texts,
      wanted.map(({ values }) => values)
    )
    several = wanted.length > 1
    const leaving = stop.flatMap((directory) => entries.get(directory) ?? [])
    yield* Effect.forEach(
      leaving,
      (entry) =>
        Effect.andThen(
          Effect.suspend(() => entry.stop),
          Deferred.await(entry.ended)
        ),
      { concurrency: "unbounded", discard: true }
    )
    if (!isStopping) yield* Effect.forEach(start, begin, { discard: true })
    return start.length + stop.length
  })

  // The first signal drains, the second stops at once. A third one interrupts this program.
  const stopAll = Effect.suspend(() => {
    isStopping = true
    return Effect.forEach([...entries.values()], (entry) => entry.stop, { concurrency: "unbounded", discard: true })
  })
  yield* atSignals(2, stopAll)
  yield* apply(initial)

  /** Its workers may have ended before their successors are started. */
  const reloading = new Set<Loaded["directories"]>()
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.flatMap(Queue.take(reloads), (wanted) => {
        reloading.add(wanted)
        return apply(wanted).pipe(
          Effect.flatMap((changed) => Effect.logInfo(`The configuration was read again: ${changed} changes`)),
          Effect.ensuring(
            Effect.suspend(() => {
              reloading.delete(wanted)
              return Queue.offer(results, Exit.void)
            })
          )
        )
      })
    )
  )
  let result: Exit.Exit<void, AppError> = Exit.void
  while (entries.size + reloading.size + (yield* Queue.size(results)) > 0) {
    const exit = yield* Queue.take(results)
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) result = exit
  }
  return yield* result
})
