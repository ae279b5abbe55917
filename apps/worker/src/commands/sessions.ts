/**
 * `opencode-worker sessions [session]`: lists the conversations of a data folder, latest activity first, or shows one.
 */
import { Client } from "@opencode-worker/client/effect"
import { DateTime, Effect, Layer, Option, Stream } from "effect"
import { Argument, Command } from "effect/cli"
import { toAppError } from "../AppError.ts"
import { findSession, showSession } from "../terminal/SessionTranscript.ts"
import { dataFolder } from "../state/DataFolder.ts"
import { EmbeddedDeployment } from "../local/EmbeddedDeployment.ts"
import { operatorLayer } from "../layers.ts"
import { endWithOutput } from "../terminal/output/endWithOutput.ts"
import { printLine } from "../terminal/output/Output.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import { plain } from "../terminal/output/Style.ts"
import { resolveDirectory } from "./shared/directory.ts"
import * as flags from "./shared/flags.ts"

const shownSessions = 50

const list = Effect.gen(function* () {
  const client = yield* Client
  const latest = client.stream((operator) => operator.sessions.list())
  const found = yield* Stream.runCollect(Stream.take(latest, shownSessions + 1))
  if (found.length === 0) return yield* printLine(screen`No conversations yet: opencode-worker dev starts one.`)
  for (const { archived, lastActivityAt, sessionId, status, title } of found.slice(0, shownSessions)) {
    const at = DateTime.formatIso(DateTime.makeUnsafe(lastActivityAt))
    yield* printLine(
      screen`${sessionId}  ${at}  ${status.padEnd(7)}  ${ScreenText.line(title)}${archived ? " (archived)" : ""}`
    )
  }
  if (found.length > shownSessions) yield* printLine(screen`(the latest ${shownSessions})`)
})

const show = Effect.fnUntraced(function* (given: string) {
  const { sessionId } = yield* findSession(given)
  yield* showSession(sessionId, plain)
})

export const sessions = Command.make(
  "sessions",
  {
    session: Argument.String("session").pipe(
      Argument.withDescription("Show this conversation (default: list all)"),
      Argument.optional
    ),
    data: flags.data,
    directory: flags.directory,
    demo: flags.demo
  },
  Effect.fn(
    function* ({ data, demo, directory, session }) {
      const folder = yield* dataFolder({ data, demo, directory: yield* resolveDirectory(directory) })
      yield* Effect.provide(
        Option.match(session, { onNone: () => list, onSome: show }),
        Layer.provide(operatorLayer, EmbeddedDeployment.find(folder))
      )
    },
    Effect.mapError(toAppError),
    endWithOutput(0)
  )
).pipe(Command.withDescription("List the conversations, or show one"))
