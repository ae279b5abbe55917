/** `opencode-worker inbox`: what waits for you over all workers: requests, results of turns, machines that are gone. */
import type { Client as Operator, InboxItem } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { Effect, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { idOf, inboxColumns } from "../../operator/inboxColumns.ts"
import { unique } from "../../operator/lookup.ts"
import { json, printRows } from "../../operator/output.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { screen } from "../../terminal/output/ScreenText.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { descriptions } from "../descriptions.ts"

const items = Effect.flatMap(Client, (client) => client.call(({ inbox: calls }, options) => calls.list(options)))

const ls = operatorCommand(
  "ls",
  "List what waits for you; allow, deny and answer take the ids of requests",
  {
    json,
    isWatching: Flag.Boolean("watch").pipe(
      Flag.withDescription("Print the number of items now and at each change, until Ctrl-C"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    if (given.isWatching) {
      const counts = client.stream(({ inbox: calls }) => calls.watchCount())
      return yield* Stream.runForEach(counts, (count) => printLine(screen`${count}`))
    }
    const rows = yield* items
    yield* printRows({
      rows,
      json: given.json,
      empty: screen`Nothing waits for you.`,
      columns: (since) => inboxColumns(rows, since)
    })
  })
)

const change = (
  name: string,
  description: string,
  done: string,
  run: (inbox: Operator["inbox"], item: InboxItem["itemId"]) => Promise<void>
) =>
  operatorCommand(
    name,
    description,
    { item: Argument.String("item").pipe(Argument.withDescription("Its id, or the start of it")) },
    Effect.fnUntraced(function* (given) {
      const client = yield* Client
      const item = yield* unique({
        kind: "item",
        given: given.item,
        found: (yield* items).filter((each) => given.item !== "" && idOf(each).startsWith(given.item)),
        idOf,
        list: "opencode-worker inbox ls"
      })
      yield* client.call((operator) => run(operator.inbox, item.itemId))
      yield* printLine(screen`${idOf(item)} ${done}`)
    })
  )

export const inbox = Command.make("inbox").pipe(
  Command.withDescription(descriptions.inbox),
  Command.withSubcommands([
    ls,
    change("read", "Mark an item as read on this device", "is read", (calls, item) => calls.markRead([item])),
    change("pin", "List an item first, on all devices", "is pinned", (calls, item) => calls.pin(item, true)),
    change("archive", "Hide an item until something new happens to it", "is archived", (calls, item) =>
      calls.archive(item, true)
    )
  ])
)
