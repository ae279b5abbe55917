/** The chat of `dev` with the worker in the same process. */
import type { SessionId, WorkerId } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { ModelCache } from "@opencode-worker/model-cache"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { demoPrompt } from "@opencode-worker/testkit"
import { WorkerEvent } from "@opencode-worker/worker-fsm"
import { Effect, Option, Ref, type Stdio, Stream } from "effect"
import { configError } from "../../AppError.ts"
import { openConsole } from "../../local/Console.ts"
import { EmbeddedDeployment } from "../../local/EmbeddedDeployment.ts"
import { knownModel } from "../../opencode/knownModel.ts"
import { chatLoop } from "../../operator/chat/chatLoop.ts"
import { findSession } from "../../operator/lookup.ts"
import { pageFor } from "../../operator/output.ts"
import type { DataFolder } from "../../state/DataFolder.ts"
import { ask, noTurns } from "../../terminal/Chat.ts"
import type * as ChatInput from "../../terminal/input/ChatInput.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { ScreenText, screen } from "../../terminal/output/ScreenText.ts"
import { plain as noStyle } from "../../terminal/output/Style.ts"
import { promptSource } from "../../terminal/PromptSource.ts"
import type { Run } from "../../terminal/RunSummary.ts"
import type { Flags } from "./flags.ts"
import { readyWorker, type Surroundings } from "./readyWorker.ts"

/** The session to continue, or a new one. */
const sessionFor = Effect.fnUntraced(function* (workerId: WorkerId, given: Flags["session"]) {
  const client = yield* Client
  if (Option.isNone(given)) return yield* client.call(({ sessions }) => sessions.create(workerId))
  const found = yield* findSession(given.value)
  if (found.workerId === workerId) return found.sessionId
  return yield* configError(`The session ${given.value} belongs to another directory: start there to continue it.`)
})

const announce = (sessionId: SessionId) => printLine(screen`session     ${sessionId}`)

const toContinue = (sessionId: SessionId, demo: boolean) =>
  printLine(screen`To continue: opencode-worker dev ${demo ? "--demo " : ""}--session ${sessionId}`)

/** Runs the worker and the chat until the prompts end. */
export const localChat = Effect.fnUntraced(function* (
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
