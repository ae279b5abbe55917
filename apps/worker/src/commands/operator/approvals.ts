/** `opencode-worker approvals …`: permissions that were allowed for later requests. */
import { Client } from "@opencode-worker/client/effect"
import { Effect, Stream } from "effect"
import { Argument, Command } from "effect/cli"
import { prefixLength, unique } from "../../operator/lookup.ts"
import { json, printRows } from "../../operator/output.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { screen } from "../../terminal/output/ScreenText.ts"
import { limit } from "./flags.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { descriptions } from "../descriptions.ts"

const newest = (most: number) =>
  Effect.flatMap(Client, (client) =>
    Stream.runCollect(
      Stream.take(
        client.stream(({ approvals }) => approvals.list()),
        most
      )
    )
  )

const ls = operatorCommand(
  "ls",
  "List the standing approvals, the newest first",
  { limit, json },
  Effect.fnUntraced(function* (given) {
    const rows = yield* newest(given.limit)
    const length = prefixLength(rows.map(({ approvalId }) => approvalId))
    yield* printRows({
      rows,
      json: given.json,
      empty: screen`No standing approvals: every request is asked.`,
      columns: (since) => [
        { name: "ID", value: ({ approvalId }) => approvalId.slice(0, length) },
        { name: "AGE", value: ({ createdAt }) => since(createdAt) },
        { name: "FOR", value: ({ reach }) => reach },
        { name: "ALLOWS", value: ({ label }) => label, shrinks: true }
      ]
    })
  })
)

const searched = 500

const revoke = operatorCommand(
  "revoke",
  "Revoke a standing approval: it covers no request from now on",
  { approval: Argument.String("approval").pipe(Argument.withDescription("Its id, or the start of it")) },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { approvalId } = yield* unique({
      kind: "approval",
      given: given.approval,
      found: (yield* newest(searched)).filter((each) => each.approvalId.startsWith(given.approval)),
      idOf: (each) => each.approvalId,
      list: "opencode-worker approvals ls"
    })
    yield* client.call(({ approvals: calls }) => calls.revoke(approvalId))
    yield* printLine(screen`Revoked ${approvalId}`)
  })
)

export const approvals = Command.make("approvals").pipe(
  Command.withDescription(descriptions.approvals),
  Command.withSubcommands([ls, revoke])
)
