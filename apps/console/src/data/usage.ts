/** Sums of usage. Pure. */
import type { UsageDay } from "@opencode-worker/client"

type Sum = Omit<UsageDay, "day" | "workerId" | "model">

const nothing: Sum = { turns: 0, input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0, cost: 0 }

const add = (a: Sum, b: Sum): Sum => ({
  turns: a.turns + b.turns,
  input: a.input + b.input,
  output: a.output + b.output,
  reasoning: a.reasoning + b.reasoning,
  cacheRead: a.cacheRead + b.cacheRead,
  cacheWrite: a.cacheWrite + b.cacheWrite,
  cost: a.cost + b.cost
})

export const sumOf = (rows: ReadonlyArray<Sum>): Sum => rows.reduce(add, nothing)

/** The sum of the rows of each name, in the order in which the names appear. */
export const sumBy = <Row extends Sum>(
  rows: ReadonlyArray<Row>,
  nameOf: (row: Row) => string
): ReadonlyArray<readonly [string, Sum]> => {
  const sums = new Map<string, Sum>()
  for (const row of rows) {
    const name = nameOf(row)
    sums.set(name, add(sums.get(name) ?? nothing, row))
  }
  return [...sums]
}

/** The day (UTC) of a time in milliseconds, such as `2026-01-31`. */
export const dayOf = (millis: number): string => new Date(millis).toISOString().slice(0, 10)

export const daysBefore = (millis: number, days: number): number => millis - days * 86_400_000
