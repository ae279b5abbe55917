/**
 * `opencode-worker dev`: the whole product on one machine. Serves the embedded deployment, runs a worker in a directory,
 * and opens a chat with it.
 */
import { hostname } from "node:os"
import type { SessionId, WorkerId } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { ModelCache } from "@opencode-worker/model-cache"
import { listProcesses, OpenCodeHost } from "@opencode-worker/opencode-host"
import { demoPrompt } from "@opencode-worker/testkit"
import { WorkerEvent } from "@opencode-worker/worker-fsm"
import { Deferred, Duration, Effect, Fiber, Layer, Option, Ref, Scope, type Stdio, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { AppError, configError, exitCodes, toAppError, usageError } from "../AppError.ts"
import { ask, noTurns } from "../terminal/Chat.ts"
import { findSession } from "../operator/lookup.ts"
import { type DataFolder, dataFolder, dataFolders } from "../state/DataFolder.ts"
import { demoHome } from "../local/Demo.ts"
import { openConsole } from "../local/Console.ts"
import { EmbeddedDeployment } from "../local/EmbeddedDeployment.ts"
import { chatLoop } from "../operator/chat/chatLoop.ts"
import { pageFor, plain } from "../operator/output.ts"
import { packageVersion } from "../info/version.ts"
import type { AboutWorker } from "../info/WorkerInfo.ts"
import { serveHealth } from "../health/HealthServer.ts"
import { inDirectory, initialFacts, RunningWorkers } from "../health/RunningWorkers.ts"
import { followWorker } from "../running/followWorker.ts"
import { hostable } from "./shared/hostable.ts"
import { unlessHopeless } from "../opencode/startup.ts"
import { isInteractive, promptFile, promptSource } from "../terminal/PromptSource.ts"
import { connections, openCodeLayer } from "../layers.ts"
import { type Run, summary } from "../terminal/RunSummary.ts"
import * as ChatInput from "../terminal/input/ChatInput.ts"
import { endWithOutput } from "../terminal/output/endWithOutput.ts"
import { printLine } from "../terminal/output/Output.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import { plain as noStyle } from "../terminal/output/Style.ts"
import { makeWorker } from "../Worker.ts"
import { directorySettings, durationOf } from "../config/settings.ts"
import { resolveDirectory } from "./shared/directory.ts"
import { shellEnvironment } from "./shared/environment.ts"
import * as shared from "./shared/flags.ts"
import { listeningFlags, listeningOf } from "./shared/listening.ts"
import { descriptions } from "./descriptions.ts"

const flags = {
  directory: shared.directory,
  allowHome: shared.allowHome,
  data: shared.data,
  demo: shared.demo,
  ...listeningFlags,
  askTimeout: directorySettings.askTimeout.flag("ask-timeout"),
  attachable: directorySettings.attachable.flag("attachable"),
  opencode: shared.opencode,
  model: Flag.String("model").pipe(
    Flag.withAlias("m"),
    Flag.withDescription("provider/model of your own OpenCode configuration (default: OpenCode's choice)"),
    Flag.optional
  ),
  session: Flag.String("session").pipe(
    Flag.withAlias("s"),
    Flag.withDescription("Continue this session (default: a new one)"),
    Flag.optional
  ),
  prompt: Flag.String("prompt").pipe(
    Flag.withAlias("p"),
    Flag.withDescription("A prompt; repeat it for several. Without one: a chat, or the lines of standard input"),
    Flag.atLeast(0)
  ),
  promptFile: Flag.String("prompt-file").pipe(
    Flag.withAlias("F"),
    Flag.withMetavar("path"),
    Flag.withDescription("A file that is one prompt, with its line breaks; - for standard input"),
    Flag.optional
  ),
  plain,
  sample: Flag.Boolean("sample-prompt").pipe(
    Flag.withDescription("Begin with a sample prompt, unless --prompt is given"),
    Flag.withDefault(false)
  )
}
type Flags = Command.Command.Config.Infer<typeof flags>

/** OpenCode's directory and environment: the demo's own home, or the user's shell. */
const surroundings = (demo: boolean, directory: string, folder: DataFolder) =>
  demo
    ? Effect.map(demoHome(folder.demo), (home) => ({ ...home, deniedPaths: [folder.deployment, folder.operator] }))
    : Effect.all({
        directory: Effect.succeed(directory),
        environment: shellEnvironment,
        deniedPaths: dataFolders(folder)
      })

interface Surroundings {
  readonly directory: string
  readonly environment: AboutWorker["environment"]
  readonly deniedPaths: ReadonlyArray<string>
}

/** Starts the worker and waits until it is Ready. It ends with the scope. */
const readyWorker = Effect.fnUntraced(function* (
  folder: DataFolder,
  where: Surroundings,
  { askTimeout, attachable }: Flags
) {
  const { directory, server } = yield* OpenCodeHost
  const client = yield* Client
  const worker = yield* makeWorker({
    machine: hostname(),
    directory,
    credentials: folder.worker(directory),
    privatePaths: where.deniedPaths,
    requestTimeLimit: Option.getOrElse(Option.flatMap(askTimeout, durationOf), () => Duration.hours(24)),
    // Only one process can open the data folder, so it may take over its predecessor's lease at once.
    processId: `dev ${folder.root}`,
    about: { version: packageVersion, permissions: "inherit", environment: where.environment },
    onPairingCode: (code) => client.call(({ workers }) => workers.approve(code))
  })
  const { lifecycle, workerId } = worker
  const facts = initialFacts(where.directory, yield* EmbeddedDeployment.useSync(({ url }) => url))
  yield* RunningWorkers.use(({ add }) => add(facts))
  yield* followWorker(worker, facts, Option.contains(attachable, true), () => Effect.void)
  yield* Effect.forkScoped(Effect.ignore(Effect.map(server, ({ version }) => void (facts.opencodeVersion = version))))
  const state = yield* lifecycle
    .send(WorkerEvent.cases.Start.make({}))
    .pipe(Effect.andThen(lifecycle.awaitState("Ready", "Stopped")), Effect.orDie)
  if (state._tag === "Stopped") {
    return yield* new AppError({ text: `The worker stopped: ${state.detail}`, exitCode: state.exitCode })
  }
  return { lifecycle, workerId: yield* Effect.orDie(Effect.flatMap(workerId, Effect.fromOption)) }
})

/** The session to continue, or a new one. */
const sessionFor = Effect.fnUntraced(function* (workerId: WorkerId, given: Flags["session"]) {
  const client = yield* Client
  if (Option.isNone(given)) return yield* client.call(({ sessions }) => sessions.create(workerId))
  const found = yield* findSession(given.value)
  if (found.workerId === workerId) return found.sessionId
  return yield* configError(`The session ${given.value} belongs to another directory: start there to continue it.`)
})

/** Number of models that an error names if none is similar to the requested one. */
const shownModels = 10

/** Fails for an unknown model before the first prompt is sent, and names the most similar models. */
const knownModel = Effect.fnUntraced(function* (spec: string) {
  const cache = yield* ModelCache
  yield* cache
    .resolve(spec)
    .pipe(Effect.catchReason("ModelCacheError", "UnknownModel", ({ suggestions }) => unknown(spec, suggestions)))
})
const unknown = Effect.fnUntraced(function* (spec: string, nearest: ReadonlyArray<string>) {
  const { models } = yield* ModelCache.use(({ get }) => get)
  if (models.length === 0) {
    return yield* configError(
      `There is no model "${spec}": your OpenCode configuration has no provider yet (opencode auth login adds one).`
    )
  }
  const shown = nearest.length > 0 ? nearest : models.slice(0, shownModels).map(({ id }) => id)
  const more = models.length > shown.length ? `, and ${models.length - shown.length} more` : ""
  return yield* configError(
    nearest.length > 0
      ? `There is no model "${spec}" in your OpenCode configuration. Did you mean ${shown.join(", ")}?`
      : `There is no model "${spec}" in your OpenCode configuration. It has ${shown.join(", ")}${more}. opencode auth login adds a provider.`
  )
})

const announce = (sessionId: SessionId) => printLine(screen`session     ${sessionId}`)

const toContinue = (sessionId: SessionId, demo: boolean) =>
  printLine(screen`To continue: opencode-worker dev ${demo ? "--demo " : ""}--session ${sessionId}`)

/** Runs the worker and the chat until the prompts end. */
const chat = Effect.fnUntraced(function* (
  folder: DataFolder,
  where: Surroundings,
  flagsGiven: Flags,
  given: ReadonlyArray<string>,
  input: ChatInput.ChatInput | undefined,
  isTyped: boolean
) {
  const deployment = yield* EmbeddedDeployment
  const host = yield* OpenCodeHost
  const models = yield* ModelCache

  const { model, plain: isPlain, sample, session } = flagsGiven
  const worker = yield* readyWorker(folder, where, flagsGiven)
  const readyMillis = process.uptime() * 1000
  const client = yield* Client
  // Created by the first prompt, so that a chat without a prompt leaves no empty session behind.
  const current = yield* sessionFor(worker.workerId, session).pipe(Effect.tap(announce), Effect.cached)

  yield* printLine(screen`data        ${ScreenText.line(folder.root)}`)
  yield* printLine(screen`directory   ${ScreenText.line(host.directory)}`)
  yield* printLine(screen`deployment  ${deployment.url} (embedded)`)
  if (Option.isSome(deployment.consoleUrl)) {
    const how = input === undefined ? screen`` : screen` (Ctrl-O opens it, signed in)`
    yield* printLine(screen`console     ${deployment.consoleUrl.value}${how}`)
  }
  if (input !== undefined) {
    const services = yield* Effect.context<Client | EmbeddedDeployment | Stdio.Stdio>()
    yield* input.onOpen(Effect.provide(openConsole, services))
  }
  const page = (yield* pageFor(isPlain)) ?? { style: noStyle, width: null }
  if (isTyped) {
    yield* printLine(screen`Type a prompt; Esc stops an answer, /help lists commands, /exit or Ctrl-D leaves.`)
  }

  if (Option.isSome(model)) yield* knownModel(model.value)

  const tally = yield* Ref.make(noTurns)
  // Also after Ctrl-C.
  let latest: SessionId | undefined
  yield* Effect.addFinalizer(() => (latest === undefined ? Effect.void : toContinue(latest, flagsGiven.demo)))
  const opening = sample ? [demoPrompt] : []
  if (input !== undefined && isTyped) {
    const settings = { model: Option.getOrUndefined(model), agent: undefined, attached: [] }
    const { workerId } = worker
    const create = Effect.tap(
      client.call(({ sessions }) => sessions.create(workerId)),
      announce
    )
    const sessionId = Option.isSome(session) ? yield* current : undefined
    const onSession = (id: SessionId) => void (latest = id)
    yield* chatLoop({ workerId, sessionId, create, onSession, input, page, settings, tally, opening, finishes: true })
  } else {
    const prompts = promptSource(given.length > 0 ? given : opening)
    yield* Stream.runForEach(prompts, (prompt) =>
      Effect.flatMap(current, (sessionId) => ask({ sessionId, prompt, model, page, tally, input }))
    )
  }
  yield* Effect.orDie(worker.lifecycle.send(WorkerEvent.cases.Stop.make({})))
  yield* worker.lifecycle.stopped

  const { bootMillis } = yield* host.server
  const { fetches } = yield* models.stats
  return { readyMillis, bootMillis, fetches, hostId: host.hostId, tally: yield* Ref.get(tally) } satisfies Run
})

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
          Effect.scoped(chat(folder, where, given, texts, input, isTyped)),
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
