/** `opencode-worker start`: runs the workers of the configured directories until they are stopped. */
import { Effect, Option, Queue } from "effect"
import { Command, Flag, GlobalFlag } from "effect/cli"
import { toAppError } from "../AppError.ts"
import { load, type Loaded, type LoadOptions } from "../config/load.ts"
import { flagsFor } from "../config/Setting.ts"
import { directorySettings, place, processSettings } from "../config/settings.ts"
import { watchFile } from "../config/watchFile.ts"
import { serveHealth } from "../health/HealthServer.ts"
import { RunningWorkers } from "../health/RunningWorkers.ts"
import { atReload } from "../runMain.ts"
import { logged } from "../running/LoggedError.ts"
import { supervise } from "../running/supervise.ts"
import { withLog, withTelemetry } from "../running/withLog.ts"
import { announce } from "../terminal/output/announce.ts"
import { screen } from "../terminal/output/ScreenText.ts"
import { descriptions } from "./descriptions.ts"

// The command line has a flag for the log level of every command.
const { logLevel: _, ...flags } = flagsFor({ ...place, ...directorySettings, ...processSettings })

/** The flags of `start`, and of the commands that examine its configuration. */
export const startFlags = {
  ...flags,
  config: Flag.String("config").pipe(
    Flag.withMetavar("path"),
    Flag.withDescription(
      "The configuration file (default: opencode-worker/config.jsonc in your configuration directory)"
    ),
    Flag.optional
  )
}

/** The configuration of the command line, the environment and the file. */
export const loadOptions = Effect.fnUntraced(function* ({
  config,
  ...given
}: Command.Command.Config.Infer<typeof startFlags>) {
  const logLevel = Option.map(yield* GlobalFlag.LogLevel, (level) => level.toLowerCase())
  return { config, flags: { ...given, logLevel } } satisfies LoadOptions
})

/** Reads the file again when it changes, and at SIGHUP, except at a terminal, whose end is a SIGHUP too. */
const reloadsOf = Effect.fnUntraced(function* (options: LoadOptions, { file, process: before }: Loaded) {
  const reloads = yield* Queue.unbounded<Loaded["directories"]>()
  if (file === undefined) return reloads
  const wanted = yield* Queue.sliding<void>(1)
  const reload = Effect.gen(function* () {
    yield* Queue.take(wanted)
    const loaded = yield* load({ ...options, config: Option.some(file) })
    if (JSON.stringify(loaded.process) !== JSON.stringify(before)) {
      yield* Effect.logWarning("Changes of the log and of the health endpoints take effect at the next start")
    }
    yield* Queue.offer(reloads, loaded.directories)
  }).pipe(
    Effect.catch(({ message }) =>
      Effect.logError(`The configuration could not be read again; the workers keep their settings: ${message}`)
    )
  )
  yield* Effect.forkScoped(Effect.forever(reload))
  yield* watchFile(file, () => Queue.offerUnsafe(wanted, undefined))
  if (!process.stdin.isTTY && !process.stdout.isTTY) yield* atReload(Queue.offer(wanted, undefined))
  return reloads
})

const run = Effect.fnUntraced(function* (options: LoadOptions, loaded: Loaded) {
  const address = yield* serveHealth(loaded.process.healthListen)
  if (address !== undefined) yield* announce("health", screen`${address}`)
  yield* supervise(loaded.directories, yield* reloadsOf(options, loaded))
}, Effect.scoped)

export const start = Command.make(
  "start",
  startFlags,
  Effect.fn(
    function* (given) {
      const options = yield* loadOptions(given)
      const loaded = yield* load(options)
      yield* run(options, loaded).pipe(logged, withTelemetry, withLog(loaded.process))
    },
    Effect.provide(RunningWorkers.layer),
    Effect.mapError((error) => (error._tag === "LoggedError" ? error : toAppError(error)))
  )
).pipe(Command.withDescription(descriptions.start))
