/**
 * `opencode-worker dev`: the whole product on one machine. Serves the embedded deployment, runs a worker in a directory,
 * and opens a chat with it.
 */
import { listProcesses } from "@opencode-worker/opencode-host"
import { Deferred, Effect, Fiber, Layer, Option, Scope } from "effect"
import { Command } from "effect/cli"
import { AppError, exitCodes, toAppError, usageError } from "../AppError.ts"
import { serveHealth } from "../health/HealthServer.ts"
import { inDirectory, RunningWorkers } from "../health/RunningWorkers.ts"
import { connections, openCodeLayer } from "../layers.ts"
import { EmbeddedDeployment } from "../local/EmbeddedDeployment.ts"
import { unlessHopeless } from "../opencode/startup.ts"
import { dataFolder, dataFolders } from "../state/DataFolder.ts"
import * as ChatInput from "../terminal/input/ChatInput.ts"
import { endWithOutput } from "../terminal/output/endWithOutput.ts"
import { printLine } from "../terminal/output/Output.ts"
import { isInteractive, promptFile } from "../terminal/PromptSource.ts"
import { summary } from "../terminal/RunSummary.ts"
import { descriptions } from "./descriptions.ts"
import { flags } from "./dev/flags.ts"
import { localChat } from "./dev/localChat.ts"
import { surroundings } from "./dev/readyWorker.ts"
import { resolveDirectory } from "./shared/directory.ts"
import { hostable } from "./shared/hostable.ts"
import { listeningOf } from "./shared/listening.ts"

export const dev = Command.make(
  "dev",
  flags,
  Effect.fn(
    function* (given) {
      const file = Option.isSome(given.promptFile) ? [yield* promptFile(given.promptFile.value)] : []
      const texts = [...given.prompt, ...file]
      // The prompt of `-` is all of standard input: no key follows it.
      const isInputRead = Option.contains(given.promptFile, "-")
      // Started first, so that no key is lost during the rest of the start.
      const input = !isInputRead && (yield* isInteractive) ? yield* ChatInput.make : undefined
      const isTyped = input !== undefined && texts.length === 0
      if (given.demo && Option.isSome(given.model)) {
        return yield* usageError(
          "--demo answers with a model of its own: leave out --model, or --demo to use your models."
        )
      }
      const listening = yield* listeningOf(given)
      const here = given.demo ? "" : yield* resolveDirectory(given.directory)
      const folder = yield* dataFolder({ data: given.data, demo: given.demo, directory: here })
      const allowed = given.demo || given.allowHome
      yield* hostable({ directory: here, dataFolders: yield* dataFolders(folder), allowed })
      yield* serveHealth(undefined)
      const run = yield* Effect.gen(function* () {
        const locked = yield* Deferred.make<void>()
        const onLocked = () => Deferred.doneUnsafe(locked, Effect.void)
        const serving = EmbeddedDeployment.serve(folder, { ...listening, onLocked })
        // Created first, so it closes last.
        const scope = yield* Scope.fork(yield* Effect.scope)
        const served = yield* Effect.forkScoped(Layer.buildWithScope(serving, scope))
        yield* Effect.raceFirst(Deferred.await(locked), Fiber.join(served))
        // The demo's home is changed only after the data folder is locked, because another process may use it.
        const where = yield* surroundings(given.demo, here, folder)
        const options = { ...where, start: "eager", binary: Option.getOrUndefined(given.opencode) } as const
        // OpenCode starts while the deployment does.
        const layer = Layer.merge(
          Layer.provideMerge(connections, Layer.effectContext(Fiber.join(served))),
          openCodeLayer(options)
        )
        return yield* Effect.raceFirst(
          Effect.scoped(localChat(folder, where, given, texts, input, isTyped)),
          unlessHopeless(Effect.void)
        ).pipe(Effect.provide(layer), inDirectory(where.directory))
      }).pipe(Effect.scoped, Effect.raceFirst(input?.quit ?? Effect.never))
      if (given.demo || !isTyped) yield* printLine(summary(run, yield* listProcesses(run.hostId)))
      const { completed, refused, turns } = run.tally
      // A person who typed the prompts has seen how each ended.
      if (isTyped || completed === turns + refused) return
      const failed = turns - completed
      return yield* new AppError({
        text: `${failed + refused} of ${turns + refused} prompts were not answered.`,
        exitCode: failed > 0 ? exitCodes.TurnFailed : exitCodes.Usage
      })
    },
    Effect.scoped,
    Effect.provide(RunningWorkers.layer),
    Effect.mapError(toAppError),
    endWithOutput(exitCodes.TurnInterrupted)
  )
).pipe(Command.withDescription(descriptions.dev))
