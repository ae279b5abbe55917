/**
 * Turns what arrives from the deployment into what a terminal shows. Pure: state and news in, state and text out.
 *
 * Invariant: whatever arrived live is written once; what the final parts hold beyond it is written at the end.
 *
 * @since 0.1.0
 */
import { Option, Schema } from "effect"
import type { Part, Segment } from "./Operator.ts"
import * as ToolSegment from "./ToolSegment.ts"

/** How the kinds of text are told apart. */
export interface Style {
  readonly faint: (text: string) => string
  readonly alarm: (text: string) => string
}

export const plain: Style = { faint: (text) => text, alarm: (text) => text }
export const colored: Style = {
  faint: (text) => `\u001b[2m${text}\u001b[22m`,
  alarm: (text) => `\u001b[31m${text}\u001b[39m`
}

export interface Transcript {
  /** The part whose text is being written; another one starts on a line of its own. */
  readonly open: string | undefined
  /** Characters of each part that are written. */
  readonly written: ReadonlyMap<string, number>
  readonly tools: ReadonlyMap<string, ToolSegment.ToolSegment["status"]>
}

export const empty: Transcript = { open: undefined, written: new Map(), tools: new Map() }

const FinalPart = Schema.fromJsonString(
  Schema.Struct({
    id: Schema.optionalKey(Schema.String),
    text: Schema.optionalKey(Schema.String),
    tool: Schema.optionalKey(Schema.String),
    state: Schema.optionalKey(
      Schema.Struct({
        status: Schema.String,
        input: Schema.optionalKey(Schema.Unknown),
        output: Schema.optionalKey(Schema.String),
        error: Schema.optionalKey(Schema.String)
      })
    )
  })
)
const decodePart = Schema.decodeUnknownOption(FinalPart)

type Step = readonly [Transcript, string]

const indent = (text: string, by: string) => text.trimEnd().replaceAll("\n", `\n${by}`)

const text = (state: Transcript, style: Style, kind: string, partId: string, added: string): Step => {
  const label = kind === "text" ? "" : style.faint(kind === "reasoning" ? "thinking: " : `${kind}: `)
  const heading = state.open === partId ? "" : `${state.open === undefined ? "" : "\n"}${label}`
  return [
    {
      ...state,
      open: partId,
      written: new Map(state.written).set(partId, (state.written.get(partId) ?? 0) + added.length)
    },
    heading + (kind === "reasoning" ? style.faint(added) : added)
  ]
}

const tool = (state: Transcript, style: Style, partId: string, call: ToolSegment.ToolSegment): Step => {
  const before = state.tools.get(partId)
  const started =
    before === undefined
      ? `${state.open === undefined ? "" : "\n"}${style.faint("tool:")} ${call.tool}\n  input  ${indent(call.input, "         ")}\n`
      : ""
  const ended =
    call.status === "running" || (before !== undefined && before !== "running")
      ? ""
      : `  ${call.status === "error" ? style.alarm("error ") : "output"} ${indent(call.output, "         ")}\n`
  if (started + ended === "") return [state, ""]
  return [{ ...state, open: undefined, tools: new Map(state.tools).set(partId, call.status) }, started + ended]
}

/**
 * Writes the news of a running turn.
 *
 * @category operations
 * @since 0.1.0
 */
export const live = (state: Transcript, style: Style, segments: ReadonlyArray<Segment>): Step =>
  segments.reduce<Step>(
    ([current, out], segment) => {
      const call = segment.kind === "tool" ? ToolSegment.decode(segment.text) : Option.none()
      const [next, more] = Option.isSome(call)
        ? tool(current, style, segment.partId, call.value)
        : text(current, style, segment.kind, segment.partId, segment.text)
      return [next, out + more]
    },
    [state, ""]
  )

/**
 * Writes what the final parts hold beyond what was written live, and how the turn ended if not well.
 *
 * @category operations
 * @since 0.1.0
 */
export const end = (
  state: Transcript,
  style: Style,
  turn: { readonly status: string; readonly error: { readonly message: string } | null },
  parts: ReadonlyArray<Part>
): Step => {
  const [last, rest] = parts.reduce<Step>(
    ([current, out], part) => {
      const found = decodePart(part.payload)
      if (Option.isNone(found)) return [current, out]
      const { id = String(part.index), text: whole, tool: name, state: call } = found.value
      if (name !== undefined && call !== undefined) {
        const [next, more] = tool(current, style, id, {
          tool: name,
          status: call.status === "error" ? "error" : "completed",
          input: JSON.stringify(call.input ?? {}),
          output: ToolSegment.preview(call.output ?? call.error ?? "")
        })
        return [next, out + more]
      }
      const missing = (whole ?? "").slice(current.written.get(id) ?? 0)
      if (missing === "") return [current, out]
      const [next, more] = text(current, style, part.kind, id, missing)
      return [next, out + more]
    },
    [state, ""]
  )
  const closing = last.open === undefined ? "" : "\n"
  const verdict =
    turn.status === "completed"
      ? ""
      : `${style.alarm(`${turn.status}${turn.error === null ? "" : `: ${turn.error.message}`}`)}\n`
  return [last, rest + closing + verdict]
}
