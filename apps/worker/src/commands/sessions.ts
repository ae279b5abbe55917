/**
 * `opencode-worker sessions [session]`: the conversations of a data folder, the latest activity first, or one of them whole.
 */
import { DateTime, Effect, Layer, Option } from "effect"
import { Argument, Command } from "effect/cli"
import { toAppError, noSuchSession } from "../AppError.ts"
import { conversation } from "../terminal/SessionTranscript.ts"
import { dataFolder } from "../state/DataFolder.ts"
import { EmbeddedDeployment } from "../local/EmbeddedDeployment.ts"
import { Operator } from "../Operator.ts"
import { operatorLayer } from "../layers.ts"
import { endWithOutput } from "../terminal/output/endWithOutput.ts"
import { printLine } from "../terminal/output/Output.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import { plain } from "../terminal/output/Style.ts"
import { resolveDirectory } from "./shared/directory.ts"
import * as flags from "./shared/flags.ts"

const list = Effect.gen(function* () {
  const { isDone, page } = yield* Operator.use(({ sessions }) => sessions)
  if (page.length === 0) return yield* printLine(screen`No conversations yet: opencode-worker dev begins one.`)
  for (const { archived, lastActivityAt, sessionId, status, title } of page) {
    const at = DateTime.formatIso(DateTime.makeUnsafe(lastActivityAt))
    yield* printLine(
      screen`${sessionId}  ${at}  ${status.padEnd(7)}  ${ScreenText.line(title)}${archived ? " (archived)" : ""}`
    )
  }
  if (!isDone) yield* printLine(screen`(the latest ${page.length})`)
})

const show = Effect.fnUntraced(function* (given: string) {
  const session = yield* Operator.use((operator) => operator.session(given))
  if (session === null) return yield* noSuchSession(given)
  yield* conversation(session.sessionId, plain)
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
