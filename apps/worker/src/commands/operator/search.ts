/** `opencode-worker search`: the turns of all sessions, by their text. */
import { Client } from "@opencode-worker/client/effect"
import { Effect, Option } from "effect"
import { Argument, Flag } from "effect/cli"
import { findSession, findWorker, prefixLength } from "../../operator/lookup.ts"
import { json, printRows } from "../../operator/output.ts"
import { screen } from "../../terminal/output/ScreenText.ts"
import { worker } from "./flags.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { descriptions } from "../descriptions.ts"

export const search = operatorCommand(
  "search",
  descriptions.search,
  {
    text: Argument.String("text").pipe(
      Argument.withDescription("Words, in quotes; the last one may be the start of a longer one")
    ),
    worker,
    session: Flag.String("session").pipe(
      Flag.withAlias("s"),
      Flag.withDescription("Search this session (default: all)"),
      Flag.optional
    ),
    kind: Flag.Literals("kind", ["prompt", "answer", "tool", "path"]).pipe(
      Flag.withDescription("Search this part of turns: tool has titles of tool calls, path has files (default: all)"),
      Flag.optional
    ),
    json
  },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const within = {
      ...(Option.isSome(given.kind) && { kind: given.kind.value }),
      ...(Option.isSome(given.worker) && { workerId: (yield* findWorker(given.worker)).workerId }),
      ...(Option.isSome(given.session) && { sessionId: (yield* findSession(given.session.value)).sessionId })
    }
    const rows = yield* client.call((operator, options) => operator.search(given.text, { ...within, ...options }))
    const length = prefixLength([...new Set(rows.flatMap(({ sessionId, turnId }) => [sessionId, turnId]))])
    yield* printRows({
      rows,
      json: given.json,
      empty: screen`No turn has these words.`,
      columns: (since) => [
        { name: "SESSION", value: ({ sessionId }) => sessionId.slice(0, length) },
        { name: "TURN", value: ({ turnId }) => turnId.slice(0, length) },
        { name: "AGE", value: ({ at }) => since(at) },
        { name: "IN", value: ({ kind }) => kind ?? "" },
        { name: "TEXT", value: ({ snippet }) => snippet, shrinks: true }
      ]
    })
  })
)
