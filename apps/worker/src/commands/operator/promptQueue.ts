/** `opencode-worker turns queue|edit|move|drop`: the prompts of a session that wait. */
import { Client } from "@opencode-worker/client/effect"
import { Effect, Option } from "effect"
import { Argument, Flag } from "effect/cli"
import { usageError } from "../../AppError.ts"
import { findSession, prefixLength, unique } from "../../operator/lookup.ts"
import { json, printRows } from "../../operator/output.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { screen } from "../../terminal/output/ScreenText.ts"
import { model, session } from "./flags.ts"
import { operatorCommand } from "./operatorCommand.ts"

const waiting = Effect.fnUntraced(function* (given: string) {
  const client = yield* Client
  const { sessionId } = yield* findSession(given)
  return yield* client.call(({ promptQueue }, options) => promptQueue.list(sessionId, options))
})

const turn = Argument.String("turn").pipe(Argument.withDescription("The id of a waiting turn, or the start of it"))

const findWaiting = Effect.fnUntraced(function* (given: string, prefix: string) {
  const found = (yield* waiting(given)).filter(({ turnId }) => prefix !== "" && turnId.startsWith(prefix))
  const list = `opencode-worker turns queue ${given}`
  return yield* unique({ kind: "waiting turn", given: prefix, found, idOf: ({ turnId }) => turnId, list })
})

export const queue = operatorCommand(
  "queue",
  "List the prompts of a session that wait, in the order in which they will run",
  { session, json },
  Effect.fnUntraced(function* (given) {
    const rows = yield* waiting(given.session)
    const length = prefixLength(rows.map(({ turnId }) => turnId))
    yield* printRows({
      rows,
      json: given.json,
      empty: screen`No prompt waits.`,
      columns: (since) => [
        { name: "ID", value: ({ turnId }) => turnId.slice(0, length) },
        { name: "AGE", value: ({ createdAt }) => since(createdAt) },
        { name: "PROMPT", value: ({ head }) => head, shrinks: true }
      ]
    })
  })
)

export const edit = operatorCommand(
  "edit",
  "Change a prompt that waits",
  {
    session,
    turn,
    text: Argument.String("prompt").pipe(Argument.withDescription("The new prompt"), Argument.optional),
    model: Flag.withDescription(model, "Another model for the prompt: provider/model"),
    agent: Flag.String("agent").pipe(Flag.withDescription("Another agent for the prompt"), Flag.optional)
  },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const changes = {
      ...(Option.isSome(given.text) && { text: given.text.value }),
      ...(Option.isSome(given.model) && { model: given.model.value }),
      ...(Option.isSome(given.agent) && { agent: given.agent.value })
    }
    if (Object.keys(changes).length === 0) return yield* usageError("Give a new prompt, --model or --agent.")
    const { turnId } = yield* findWaiting(given.session, given.turn)
    yield* client.call(({ promptQueue }) => promptQueue.edit(turnId, changes))
    yield* printLine(screen`Changed ${turnId}`)
  })
)

export const move = operatorCommand(
  "move",
  "Move a prompt that waits before another one, or to the end",
  {
    session,
    turn,
    before: Argument.String("before").pipe(
      Argument.withDescription("The waiting turn before which it will run (default: none, so it runs last)"),
      Argument.optional
    )
  },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { turnId } = yield* findWaiting(given.session, given.turn)
    const before = Option.isSome(given.before) ? (yield* findWaiting(given.session, given.before.value)).turnId : null
    yield* client.call(({ promptQueue }) => promptQueue.move(turnId, before))
    yield* printLine(screen`Moved ${turnId}`)
  })
)

export const drop = operatorCommand(
  "drop",
  "Remove a prompt that waits, as if it had not been sent",
  { session, turn },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { turnId } = yield* findWaiting(given.session, given.turn)
    yield* client.call(({ promptQueue }) => promptQueue.drop(turnId))
    yield* printLine(screen`Removed ${turnId}`)
  })
)
