/** `opencode-worker sessions …`: the sessions of a deployment. */
import { Client } from "@opencode-worker/client/effect"
import { Effect, Option, Stream } from "effect"
import { Argument, Command } from "effect/cli"
import { usageError } from "../../AppError.ts"
import { findSession, findWorker, prefixLength } from "../../operator/lookup.ts"
import { json, pageFor, plain, printRows } from "../../operator/output.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { ScreenText, screen } from "../../terminal/output/ScreenText.ts"
import { plain as noStyle } from "../../terminal/output/Style.ts"
import { confirmed, yes } from "./confirmed.ts"
import { limit, session, worker } from "./flags.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { compact, exportSession, fork, loadHistory, redo, shell, undo } from "./sessionActions.ts"
import { descriptions } from "../descriptions.ts"

const ls = operatorCommand(
  "ls",
  "List sessions, latest activity first",
  { worker, limit, json },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const of = Option.isSome(given.worker) ? { workerId: (yield* findWorker(given.worker)).workerId } : {}
    const latest = client.stream((operator) => operator.sessions.list(of))
    const rows = yield* Stream.runCollect(Stream.take(latest, given.limit))
    const length = prefixLength(rows.map(({ sessionId }) => sessionId))
    yield* printRows({
      rows,
      json: given.json,
      empty: screen`No sessions yet: opencode-worker send starts one.`,
      columns: (since) => [
        { name: "ID", value: ({ sessionId }) => sessionId.slice(0, length) },
        { name: "AGE", value: ({ lastActivityAt }) => since(lastActivityAt) },
        { name: "STATUS", value: ({ archived, status }) => (archived ? "archived" : status) },
        { name: "TITLE", value: ({ title }) => title, shrinks: true }
      ]
    })
  })
)

const show = operatorCommand(
  "show",
  "Print the prompts and answers of a session",
  { session, plain },
  Effect.fnUntraced(function* (given) {
    const { sessionId } = yield* findSession(given.session)
    const { showSession } = yield* Effect.promise(() => import("../../terminal/SessionTranscript.ts"))
    const written = yield* showSession(sessionId, (yield* pageFor(given.plain)) ?? { style: noStyle, width: null })
    if (written.size > 0) return
    // A session that was started in OpenCode has its turns there until they are imported.
    yield* printLine(
      screen`No turn of this session has ended here. opencode-worker sessions load-history ${sessionId} imports those of OpenCode.`
    )
  })
)

const rename = operatorCommand(
  "rename",
  "Rename a session, here and in OpenCode",
  { session, title: Argument.String("title").pipe(Argument.withDescription("The new title, as one argument")) },
  Effect.fnUntraced(function* ({ session: given, title }) {
    if (title.trim() === "") return yield* usageError("The title is empty.")
    const client = yield* Client
    const { sessionId } = yield* findSession(given)
    yield* client.call(({ sessions: calls }) => calls.rename(sessionId, title))
    yield* printLine(screen`Renamed ${sessionId}: ${ScreenText.line(title)}`)
  })
)

const rm = operatorCommand(
  "rm",
  "Delete a session, here and in OpenCode",
  { session, yes },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { sessionId, title } = yield* findSession(given.session)
    yield* confirmed(given.yes, screen`? Delete "${ScreenText.line(title)}", here and in OpenCode? [y]es, [n]o\n`)
    yield* client.call(({ sessions: calls }) => calls.delete(sessionId))
    yield* printLine(screen`Deleted ${sessionId}: ${ScreenText.line(title)}`)
  })
)

export const sessions = Command.make("sessions").pipe(
  Command.withDescription(descriptions.sessions),
  Command.withSubcommands([ls, show, rename, rm, fork, compact, shell, undo, redo, exportSession, loadHistory])
)
