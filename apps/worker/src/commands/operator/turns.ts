/** `opencode-worker turns …`: the prompts of a session, and their answers. */
import { Client } from "@opencode-worker/client/effect"
import { Effect, Option, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import { writerFor } from "../../operator/answerWriter.ts"
import { followTurn } from "../../operator/followTurn.ts"
import { findSession, findTurn, prefixLength } from "../../operator/lookup.ts"
import { json, pageFor, plain, printRows } from "../../operator/output.ts"
import { print, printLine } from "../../terminal/output/Output.ts"
import { screen } from "../../terminal/output/ScreenText.ts"
import { format, limit, session, timeout, turn } from "./flags.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { drop, edit, move, queue } from "./promptQueue.ts"
import { descriptions } from "../descriptions.ts"

const ls = operatorCommand(
  "ls",
  "List the turns of a session, the newest first",
  { session, limit, json },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { sessionId } = yield* findSession(given.session)
    const newest = client.stream((operator) => operator.turns.list(sessionId, { order: "desc" }))
    const rows = yield* Stream.runCollect(Stream.take(newest, given.limit))
    const length = prefixLength(rows.map(({ turnId }) => turnId))
    yield* printRows({
      rows,
      json: given.json,
      empty: screen`This session has no turns yet.`,
      columns: (since) => [
        { name: "ID", value: ({ turnId }) => turnId.slice(0, length) },
        { name: "AGE", value: ({ createdAt }) => since(createdAt) },
        { name: "STATUS", value: ({ status, undone }) => (undone ? "undone" : status) },
        { name: "PROMPT", value: ({ head }) => head, shrinks: true }
      ]
    })
  })
)

const wait = operatorCommand(
  "wait",
  "Wait for a turn, and print its answer; the exit code is its outcome",
  { session, turn, format, timeout, plain },
  Effect.fnUntraced(function* (given) {
    const { sessionId, turnId } = yield* findTurn(given.session, given.turn)
    const writer = writerFor(given.format, yield* pageFor(given.plain), { sessionId, turnId })
    const way = { onRequest: "wait", person: undefined, stop: false } as const
    yield* followTurn({ turnId, writer, timeout: given.timeout, ...way })
  })
)

const abort = operatorCommand(
  "abort",
  "Stop a turn; it keeps its text",
  { session, turn },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { turnId } = yield* findTurn(given.session, given.turn)
    yield* client.call((operator) => operator.turns.abort(turnId))
    yield* printLine(screen`Stopping ${turnId}`)
  })
)

const retry = operatorCommand(
  "retry",
  "Send the prompt of a turn that has ended again, and print the new turn's id",
  {
    session,
    turn,
    key: Flag.String("idempotency-key").pipe(
      Flag.withMetavar("key"),
      Flag.withDescription("The same key sends the prompt once, however often the command runs"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { turnId } = yield* findTurn(given.session, given.turn)
    const key = Option.isSome(given.key) ? { idempotencyKey: given.key.value } : {}
    yield* printLine(screen`${yield* client.call((operator) => operator.turns.resend(turnId, key))}`)
  })
)

const diff = operatorCommand(
  "diff",
  "Show the changes of a turn as a patch",
  { session, turn },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { turnId } = yield* findTurn(given.session, given.turn)
    const changes = yield* client.call((operator, options) => operator.turns.changes(turnId, options))
    if (changes === null) return yield* printLine(screen`This turn changed no files, or has not ended.`)
    yield* print(screen`${changes.patch}${changes.patch.endsWith("\n") ? "" : "\n"}`)
    if (changes.truncated) yield* printLine(screen`(The rest of the patch is left out.)`)
  })
)

const files = operatorCommand(
  "files",
  "List the files of a turn: those of the prompt, and those that the agent produced",
  { session, turn, json },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { turnId } = yield* findTurn(given.session, given.turn)
    const rows = yield* client.call((operator, options) => operator.files.list(turnId, options))
    yield* printRows({
      rows,
      json: given.json,
      empty: screen`This turn has no files.`,
      columns: () => [
        { name: "NAME", value: ({ name }) => name, shrinks: true },
        { name: "TYPE", value: ({ type }) => type },
        { name: "FROM", value: ({ origin }) => origin },
        { name: "ADDRESS", value: ({ url }) => url ?? "" }
      ]
    })
  })
)

export const turns = Command.make("turns").pipe(
  Command.withDescription(descriptions.turns),
  Command.withSubcommands([ls, wait, abort, retry, diff, files, queue, edit, move, drop])
)
