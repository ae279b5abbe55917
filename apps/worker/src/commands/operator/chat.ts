/** `opencode-worker chat`: a conversation at the terminal with a worker that runs elsewhere. */
import { Client } from "@opencode-worker/client/effect"
import { Effect, Option, Ref, Stream } from "effect"
import { Argument } from "effect/cli"
import { usageError } from "../../AppError.ts"
import { findSession, findWorker } from "../../operator/lookup.ts"
import { target } from "../../operator/output.ts"
import { ask, noTurns } from "../../terminal/Chat.ts"
import * as ChatInput from "../../terminal/input/ChatInput.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { screen } from "../../terminal/output/ScreenText.ts"
import { isInteractive, promptSource } from "../../terminal/PromptSource.ts"
import { showHistory } from "../../terminal/SessionTranscript.ts"
import { model, worker } from "./flags.ts"
import { operatorCommand } from "./operatorCommand.ts"

export const chat = operatorCommand(
  "chat",
  "Chat with a worker; Esc stops an answer, /exit or Ctrl-D leaves",
  {
    session: Argument.String("session").pipe(
      Argument.withDescription("Continue this session (default: a new one)"),
      Argument.optional
    ),
    worker,
    model
  },
  Effect.fnUntraced(function* ({ model: chosen, session, worker: given }) {
    if (!(yield* isInteractive)) return yield* usageError("A chat needs a terminal: use opencode-worker send.")
    const client = yield* Client
    const input = yield* ChatInput.make
    const { style } = yield* target
    const found = Option.isSome(session) ? yield* findSession(session.value) : undefined
    const { machine, workerId } = found === undefined ? yield* findWorker(given) : { machine: "", ...found }
    // Created by the first prompt, so that a chat without a prompt leaves no empty session behind.
    const current = yield* Effect.cached(
      found === undefined
        ? Effect.tap(
            client.call(({ sessions }) => sessions.create(workerId)),
            (sessionId) => printLine(screen`session     ${sessionId}`)
          )
        : Effect.succeed(found.sessionId)
    )
    if (found === undefined) yield* printLine(screen`worker      ${machine}`)
    else yield* showHistory(found.sessionId, style)
    yield* printLine(screen`Type a prompt; Esc stops an answer, /exit or Ctrl-D leaves.`)
    const tally = yield* Ref.make(noTurns)
    const conversation = promptSource({ given: [], opening: [], input }).pipe(
      Stream.runForEach((prompt) =>
        Effect.flatMap(current, (sessionId) =>
          ask({ sessionId, prompt, model: chosen, style, tally, input, isTyped: true })
        )
      )
    )
    yield* Effect.raceFirst(conversation, input.quit)
  })
)
