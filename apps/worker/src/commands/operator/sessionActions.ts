/** `opencode-worker sessions fork|compact|shell|undo|redo|export`: actions on a whole session. */
import type { Client as Operator, CommandId, SessionId } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { Effect, Option, Predicate, Stream } from "effect"
import { Argument, Flag } from "effect/cli"
import { jsonText } from "../../operator/jsonText.ts"
import { findSession, findTurn } from "../../operator/lookup.ts"
import { runOnWorker } from "../../operator/workerCommand.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { ScreenText, screen } from "../../terminal/output/ScreenText.ts"
import { session, turn } from "./flags.ts"
import { operatorCommand } from "./operatorCommand.ts"

/** Starts an action, waits until the worker has run it, and returns its result. */
const result = Effect.fnUntraced(function* (start: (actions: Operator["sessionActions"]) => Promise<CommandId>) {
  const command = yield* runOnWorker(({ sessionActions }) => start(sessionActions))
  const parsed: unknown = JSON.parse(command.result ?? "null")
  return parsed
})

const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])
const text = (value: unknown, name: string): string => (Predicate.hasProperty(value, name) ? String(value[name]) : "")

/** The files of an undo or redo. */
const printFiles = Effect.fnUntraced(function* (found: unknown, done: string) {
  const files = Predicate.hasProperty(found, "files") ? list(found.files) : []
  for (const file of files) {
    const changed = text(file, "changed") === "true" ? " (changed since)" : ""
    yield* printLine(screen`${ScreenText.line(text(file, "file"))}${changed}`)
  }
  const more = text(found, "truncated") === "true" ? " and more" : ""
  yield* printLine(screen`${files.length} files${more}, ${done}`)
})

const preview = Flag.Boolean("preview").pipe(Flag.withDescription("Only list the files"), Flag.withDefault(false))

export const undo = operatorCommand(
  "undo",
  "Undo a turn and all later ones, with their files; refused if a file was changed since",
  {
    session,
    turn,
    skip: Flag.String("skip").pipe(
      Flag.withMetavar("path"),
      Flag.withDescription("Leave a file, or the files of a folder, as they are; repeatable"),
      Flag.atLeast(0)
    ),
    force: Flag.String("force").pipe(
      Flag.withMetavar("path"),
      Flag.withDescription("Overwrite a file, or the files of a folder, that were changed since; repeatable"),
      Flag.atLeast(0)
    ),
    preview
  },
  Effect.fnUntraced(function* ({ force, preview: isPreview, session: given, skip, turn: chosen }) {
    const { sessionId, turnId } = yield* findTurn(given, chosen)
    const options = { force, skip, preview: isPreview }
    const found = yield* result((actions) => actions.undo(sessionId, turnId, options))
    yield* printFiles(found, isPreview ? "not undone" : "undone")
  })
)

export const redo = operatorCommand(
  "redo",
  "Take the undo of a session back, until its next prompt",
  {
    session,
    force: Flag.Boolean("force").pipe(
      Flag.withDescription("Overwrite files that were changed since the undo"),
      Flag.withDefault(false)
    ),
    preview
  },
  Effect.fnUntraced(function* ({ force, preview: isPreview, session: given }) {
    const { sessionId } = yield* findSession(given)
    const options = { force, preview: isPreview }
    const found = yield* result((actions) => actions.redo(sessionId, options))
    yield* printFiles(found, isPreview ? "not redone" : "redone")
  })
)

export const fork = operatorCommand(
  "fork",
  "Copy a session, and print the id of the copy",
  {
    session,
    before: Flag.String("before").pipe(
      Flag.withMetavar("turn"),
      Flag.withDescription("Copy only the turns before this one"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* ({ before, session: given }) {
    const { sessionId } = yield* findSession(given)
    const options = Option.isSome(before) ? { turnId: (yield* findTurn(given, before)).turnId } : {}
    const found = yield* result((actions) => actions.fork(sessionId, options))
    yield* printLine(screen`${text(found, "sessionId")}`)
  })
)

export const compact = operatorCommand(
  "compact",
  "Replace the older part of a session by a summary, for the model",
  { session },
  Effect.fnUntraced(function* (given) {
    const { sessionId } = yield* findSession(given.session)
    yield* result((actions) => actions.compact(sessionId))
    yield* printLine(screen`Compacted ${sessionId}`)
  })
)

export const shell = operatorCommand(
  "shell",
  "Run a shell command on the machine of a session's worker, if it was started with --allow-shell, and print the output",
  { session, line: Argument.String("command").pipe(Argument.withDescription("The command line, as one argument")) },
  Effect.fnUntraced(function* (given) {
    const { sessionId } = yield* findSession(given.session)
    const found = yield* result((actions) => actions.shell(sessionId, given.line))
    if (text(found, "truncated") === "true") yield* printLine(screen`…`)
    yield* printLine(screen`${text(found, "output").trimEnd()}`)
  })
)

export const loadHistory = operatorCommand(
  "load-history",
  "Import what OpenCode has of a session and the deployment has not",
  { session },
  Effect.fnUntraced(function* (given) {
    const { sessionId } = yield* findSession(given.session)
    yield* runOnWorker(({ sessions }, options) => sessions.loadHistory(sessionId, options))
    yield* printLine(screen`Loaded ${sessionId}`)
  })
)

const exported = (sessionId: SessionId) =>
  Stream.unwrap(Effect.map(Client, (client) => client.stream(({ sessionActions }) => sessionActions.export(sessionId))))

export const exportSession = operatorCommand(
  "export",
  "Print a session as JSON, one turn per line, with its prompt and parts",
  { session },
  Effect.fnUntraced(function* (given) {
    const { sessionId } = yield* findSession(given.session)
    yield* Stream.runForEach(exported(sessionId), (turnOf) => printLine(jsonText(turnOf)))
  })
)
