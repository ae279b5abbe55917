/** `opencode-worker start`: runs a worker for a deployment elsewhere until it is stopped. */
import { resolve as absolute } from "node:path"
import { Effect, Option, Result } from "effect"
import { Command, GlobalFlag } from "effect/cli"
import { configError, toAppError } from "../AppError.ts"
import { resolve } from "../config/resolve.ts"
import { flagsFor, type Values } from "../config/Setting.ts"
import { directorySettings, place, processSettings } from "../config/settings.ts"
import { serveHealth } from "../health/HealthServer.ts"
import { initialFacts, RunningWorkers } from "../health/RunningWorkers.ts"
import { atSignals } from "../runMain.ts"
import { logged } from "../running/LoggedError.ts"
import { advice, runWorker } from "../running/runWorker.ts"
import { withLog } from "../running/withLog.ts"
import { announce } from "../terminal/output/announce.ts"
import { screen } from "../terminal/output/ScreenText.ts"

const settings = { ...place, ...directorySettings, ...processSettings }
// The command line has a flag of this name for every command.
const { logLevel: _, ...flags } = flagsFor(settings)

const run = Effect.fnUntraced(function* (values: Values<typeof settings>) {
  const directory = absolute(values.directory ?? ".")
  const facts = initialFacts(directory, values.url ?? "")
  yield* RunningWorkers.use(({ add }) => add(facts))
  const address = yield* serveHealth(values.healthListen)
  if (address !== undefined) yield* announce("health", screen`${address}`)
  // The first drains, the second stops at once. A third one interrupts this program.
  yield* runWorker({ ...values, directory }, facts, (stop) => atSignals(2, stop))
}, Effect.scoped)

export const start = Command.make(
  "start",
  flags,
  Effect.fn(function* (given) {
    const logLevel = Option.map(yield* GlobalFlag.LogLevel, (level) => level.toLowerCase())
    const sources = { flags: { ...given, logLevel }, environment: process.env, file: [] }
    const { values } = yield* Effect.fromResult(Result.mapError(resolve(settings, sources), configError))
    yield* run(values).pipe(
      Effect.mapError((error) => toAppError(error, advice)),
      logged,
      withLog(values)
    )
  }, Effect.provide(RunningWorkers.layer))
).pipe(Command.withDescription("Run a worker for a Convex deployment until it is stopped"))
