/** `opencode-worker chat`: a chat at the terminal with a worker that runs elsewhere. */
import { Client } from "@opencode-worker/client/effect"
import { Effect, Option, Ref } from "effect"
import { Argument } from "effect/cli"
import { usageError } from "../../AppError.ts"
import { chatLoop } from "../../operator/chat/chatLoop.ts"
import type { Settings } from "../../operator/chat/slashCommands.ts"
import { findSession, findWorker } from "../../operator/lookup.ts"
import { pageFor, plain } from "../../operator/output.ts"
import { noTurns } from "../../terminal/Chat.ts"
import * as ChatInput from "../../terminal/input/ChatInput.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { screen } from "../../terminal/output/ScreenText.ts"
import { isInteractive } from "../../terminal/PromptSource.ts"
import { model, worker } from "./flags.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { descriptions } from "../descriptions.ts"

export const chat = operatorCommand(
  "chat",
  descriptions.chat,
  {
    session: Argument.String("session").pipe(
      Argument.withDescription("Continue this session (default: a new one)"),
      Argument.optional
    ),
    worker,
    model,
    plain
  },
  Effect.fnUntraced(function* ({ model: chosen, plain: isPlain, session, worker: given }) {
    if (!(yield* isInteractive)) return yield* usageError("A chat needs a terminal: use opencode-worker send.")
    const client = yield* Client
    const page = yield* pageFor(isPlain)
    if (page === undefined) return yield* usageError("A chat needs a terminal: use opencode-worker send.")
    const input = yield* ChatInput.make
    const settings: Settings = { model: Option.getOrUndefined(chosen), agent: undefined, attached: [] }
    const found = Option.isSome(session) ? yield* findSession(session.value) : undefined
    const { workerId } = found ?? (yield* findWorker(given))
    const host = (yield* client.call(({ workers }, options) => workers.list(options))).find(
      (each) => each.workerId === workerId
    )
    yield* printLine(screen`worker      ${host?.machine ?? ""}, ${host?.directory ?? ""}`)
    yield* printLine(screen`Type a prompt; Esc stops an answer, /help lists commands, /exit or Ctrl-D leaves.`)
    let latest = found?.sessionId
    const chatting = chatLoop({
      workerId,
      sessionId: found?.sessionId,
      create: client.call(({ sessions }) => sessions.create(workerId)),
      onSession: (id) => void (latest = id),
      input,
      page,
      settings,
      tally: yield* Ref.make(noTurns),
      opening: [],
      finishes: false
    })
    const leave = (goesOn: string) =>
      latest === undefined ? Effect.void : printLine(screen`${goesOn}To continue: opencode-worker chat ${latest}`)
    const { isRunning } = yield* Effect.raceFirst(chatting, input.quit).pipe(Effect.onInterrupt(() => leave("")))
    yield* leave(isRunning ? "The turn goes on. " : "")
  })
)
