/** `opencode-worker usage`: tokens and cost, summed by day, model or worker. */
import type { UsageDay } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { DateTime, Effect, Option, Stream } from "effect"
import { Flag } from "effect/cli"
import { findSession } from "../../operator/lookup.ts"
import { type Json, json, printRows } from "../../operator/output.ts"
import { screen } from "../../terminal/output/ScreenText.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { descriptions } from "../descriptions.ts"

const fields = { day: "day", model: "model", worker: "workerId" } as const

/** Sums rows with the same value of a field, in the order of their first row. */
const sumBy = (rows: ReadonlyArray<UsageDay>, field: keyof typeof fields) => {
  const sums = new Map<string, Sum>()
  for (const row of rows) {
    const key = row[fields[field]]
    const sum = sums.get(key) ?? { key, turns: 0, input: 0, output: 0, cacheRead: 0, cost: 0 }
    sums.set(key, {
      key,
      turns: sum.turns + row.turns,
      input: sum.input + row.input,
      output: sum.output + row.output,
      cacheRead: sum.cacheRead + row.cacheRead,
      cost: sum.cost + row.cost
    })
  }
  return Array.from(sums.values())
}

interface Sum {
  readonly key: string
  readonly turns: number
  readonly input: number
  readonly output: number
  readonly cacheRead: number
  readonly cost: number
}

const printSums = (by: string, rows: ReadonlyArray<Sum>, asJson: Json) =>
  printRows({
    rows,
    json: asJson,
    empty: screen`No turn has ended in these days.`,
    columns: () => [
      { name: by.toUpperCase(), value: ({ key }) => key, shrinks: true },
      { name: "TURNS", value: ({ turns }) => String(turns) },
      { name: "INPUT", value: ({ input }) => String(input) },
      { name: "CACHED", value: ({ cacheRead }) => String(cacheRead) },
      { name: "OUTPUT", value: ({ output }) => String(output) },
      { name: "USD", value: ({ cost }) => cost.toFixed(2) }
    ]
  })

const day = (date: DateTime.DateTime) => DateTime.formatIso(date).slice(0, 10)

export const usage = operatorCommand(
  "usage",
  descriptions.usage,
  {
    days: Flag.Int("days").pipe(Flag.withDescription("The number of days (UTC; default: 30)"), Flag.withDefault(30)),
    by: Flag.Literals("by", ["day", "model", "worker"]).pipe(
      Flag.withDescription("One row per day (default), model or worker"),
      Flag.withDefault("day" as const)
    ),
    session: Flag.String("session").pipe(
      Flag.withAlias("s"),
      Flag.withDescription("Only this session, since its start"),
      Flag.optional
    ),
    json
  },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    if (Option.isSome(given.session)) {
      const { sessionId, title } = yield* findSession(given.session.value)
      const sum = yield* client.call((operator, options) => operator.usage.session(sessionId, options))
      return yield* printSums("session", [{ key: title, ...sum }], given.json)
    }
    const today = yield* DateTime.now
    const from = day(DateTime.subtract(today, { days: Math.max(0, given.days - 1) }))
    const rows = yield* Stream.runCollect(client.stream((operator) => operator.usage.days(from, day(today))))
    yield* printSums(given.by, sumBy(rows, given.by), given.json)
  })
)
