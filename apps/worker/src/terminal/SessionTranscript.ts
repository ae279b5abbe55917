/** Prints the history of a session: every turn with its answer, oldest first. */
import type { SessionId, TurnId } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { Effect, Stream } from "effect"
import { printLine } from "./output/Output.ts"
import { screen } from "./output/ScreenText.ts"
import * as Transcript from "./Transcript.ts"

/** Writes the turns of the deployment that have ended, and returns their ids. */
export const showSession = Effect.fnUntraced(function* (sessionId: SessionId, page: Transcript.Page) {
  const client = yield* Client
  const written = new Set<TurnId>()
  yield* client
    .stream(({ turns }) => turns.list(sessionId))
    .pipe(
      Stream.filter(({ finishedAt }) => finishedAt !== null),
      Stream.runForEach(
        Effect.fnUntraced(function* (turn) {
          const view = yield* client.call(({ turns }) => turns.view(turn))
          written.add(turn.turnId)
          const [, answer] = Transcript.render(Transcript.empty, page, view)
          const prompt =
            turn.head.length === turn.length
              ? turn.head
              : yield* client.call(({ turns }, options) => turns.prompt(turn.turnId, options))
          yield* printLine(screen`> ${prompt}${turn.undone ? " (undone in OpenCode)" : ""}\n${answer}`)
        })
      )
    )
  return written
})

/** Enough to load a thousand messages. Turns that are loaded later are shown the next time. */
const historyTimeout = "30 seconds"

/** Imports the turns of OpenCode's own terminal, then writes all turns. */
export const showHistory = Effect.fnUntraced(function* (sessionId: SessionId, page: Transcript.Page) {
  const client = yield* Client
  yield* client
    .call(({ commands, sessions }) => sessions.loadHistory(sessionId).then((command) => commands.wait(command)))
    .pipe(
      Effect.timeout(historyTimeout),
      Effect.catch(({ message }) => Effect.logWarning(`Turns at OpenCode's own terminal are not loaded: ${message}`))
    )
  return yield* showSession(sessionId, page)
})
