/** Lists for a person as a table, and for programs as JSON. */
import { Clock, Effect, Option, Stdio } from "effect"
import { Flag } from "effect/cli"
import { usageError } from "../AppError.ts"
import { columns, print, printLine } from "../terminal/output/Output.ts"
import { type ScreenText, screen } from "../terminal/output/ScreenText.ts"
import { styleFor } from "../terminal/output/Style.ts"
import { age } from "./age.ts"
import { jq } from "./jq.ts"
import { jsonText } from "./jsonText.ts"
import { type Column, table } from "./table.ts"

/** The flags of every list. */
export const json = {
  fields: Flag.String("json").pipe(
    Flag.withMetavar("fields"),
    Flag.withDescription("Print JSON with these fields, separated by commas; all for every field"),
    Flag.optional
  ),
  filter: Flag.String("jq").pipe(
    Flag.withMetavar("filter"),
    Flag.withDescription("Print the results of a jq filter of that JSON, texts without quotes (alone: of every field)"),
    Flag.optional
  )
}

export interface Json {
  readonly fields: Option.Option<string>
  readonly filter: Option.Option<string>
}

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

export const plain = Flag.Boolean("plain").pipe(
  Flag.withDescription("Show Markdown as it was written"),
  Flag.withDefault(false)
)

/**
 * The page of a transcript at a terminal, or undefined if standard output is none. A terminal that cannot move its cursor
 * shows the source of Markdown, because it cannot show a block that is not complete.
 */
export const pageFor = (isPlain: boolean) =>
  Effect.map(target, ({ isTerminal, style, width }) => {
    const isSource = isPlain || process.env["TERM"] === "dumb"
    return isTerminal ? { style, width: isSource ? null : width } : undefined
  })

export const isJson = ({ fields, filter }: Json): boolean => Option.isSome(fields) || Option.isSome(filter)

/** Prints rows as JSON, or the results of the filter. */
export const printJson = Effect.fnUntraced(function* (rows: ReadonlyArray<object>, { fields, filter }: Json) {
  const wanted = Option.getOrElse(fields, () => "all")
  const selected = yield* Effect.forEach(rows, (row) => selectFields(row, wanted))
  if (Option.isNone(filter)) return yield* printLine(jsonText(selected))
  const results = yield* jq(selected, filter.value)
  return results === "" ? undefined : yield* printLine(screen`${results}`)
})

/** The flags of commands whose `--json` prints every field. */
export const wholeJson = (description: string) => ({
  json: Flag.Boolean("json").pipe(Flag.withDescription(description), Flag.withDefault(false)),
  filter: json.filter
})

/** Prints rows as JSON if the flags of `wholeJson` ask for it, and returns whether they do. */
export const printedWhole = Effect.fnUntraced(function* (
  rows: ReadonlyArray<object>,
  { filter, json: isWanted }: { readonly json: boolean; readonly filter: Option.Option<string> }
) {
  if (!isWanted && Option.isNone(filter)) return false
  yield* printJson(rows, { fields: Option.none(), filter })
  return true
})

/** Prints rows. `columns` receives a function for ages. */
export const printRows = Effect.fnUntraced(function* <Row extends object>(options: {
  readonly rows: ReadonlyArray<Row>
  readonly columns: (since: (millis: number | null) => string) => ReadonlyArray<Column<Row>>
  readonly json: Json
  readonly empty: ScreenText
}) {
  const { json: asked, rows } = options
  if (isJson(asked)) return yield* printJson(rows, asked)
  if (rows.length === 0) return yield* printLine(options.empty)
  const now = yield* Clock.currentTimeMillis
  const since = (millis: number | null) => (millis === null ? "" : age(now - millis))
  yield* print(table(options.columns(since), rows, yield* target))
})
