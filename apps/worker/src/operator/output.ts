/** Lists for a person as a table, and for programs as JSON. */
import { Clock, Effect, Option, Stdio } from "effect"
import { Flag } from "effect/cli"
import { usageError } from "../AppError.ts"
import { columns, print, printLine } from "../terminal/output/Output.ts"
import type { ScreenText } from "../terminal/output/ScreenText.ts"
import { styleFor } from "../terminal/output/Style.ts"
import { age } from "./age.ts"
import { jsonText } from "./jsonText.ts"
import { type Column, table } from "./table.ts"

export const json = Flag.String("json").pipe(
  Flag.withMetavar("fields"),
  Flag.withDescription("Print JSON with these fields, separated by commas; all for every field"),
  Flag.optional
)

/** The fields of a row that `--json` names. */
const selectFields = Effect.fnUntraced(function* (row: object, given: string) {
  const all = Object.entries(row)
  if (given === "all") return Object.fromEntries(all)
  const names = given.split(",").map((name) => name.trim())
  const unknown = names.find((name) => !Object.hasOwn(row, name))
  if (unknown !== undefined) {
    return yield* usageError(
      `--json has no field "${unknown}". The fields are ${all.map(([name]) => name).join(", ")}, or all.`
    )
  }
  return Object.fromEntries(all.filter(([name]) => names.includes(name)))
})

/** Style and width of standard output. A file or a pipe receives whole lines without escape sequences. */
export const target = Effect.map(
  Stdio.Stdio.use(({ stdoutIsTerminal }) => stdoutIsTerminal),
  (isTerminal) => ({ style: styleFor(isTerminal), width: isTerminal ? columns() : null, isTerminal })
)

/** Prints rows. `columns` receives a function for ages. */
export const printRows = Effect.fnUntraced(function* <Row extends object>(options: {
  readonly rows: ReadonlyArray<Row>
  readonly columns: (since: (millis: number | null) => string) => ReadonlyArray<Column<Row>>
  readonly json: Option.Option<string>
  readonly empty: ScreenText
}) {
  const { rows } = options
  if (Option.isSome(options.json)) {
    const fields = options.json.value
    const selected = yield* Effect.forEach(rows, (row) => selectFields(row, fields))
    return yield* printLine(jsonText(selected))
  }
  if (rows.length === 0) return yield* printLine(options.empty)
  const now = yield* Clock.currentTimeMillis
  const since = (millis: number | null) => (millis === null ? "" : age(now - millis))
  yield* print(table(options.columns(since), rows, yield* target))
})
