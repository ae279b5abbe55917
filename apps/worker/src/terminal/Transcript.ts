/**
 * Turns what arrives from the deployment into what a terminal shows. Pure: state and news in, state and text out.
 *
 * Invariant: whatever arrived live is written once; what the final parts hold beyond it is written at the end.
 */
import type { TurnNotice } from "@opencode-worker/opencode-host"
import { Option, Schema } from "effect"
import type { Part, Segment } from "../Operator.ts"
import { splitDecided } from "./output/cleanText.ts"
import { none, ScreenText, screen } from "./output/ScreenText.ts"
import type { Style } from "./output/Style.ts"
import * as ToolSegment from "./ToolPreview.ts"

/** How far the text of one part is written. */
interface Written {
  readonly characters: number
  /** The end of what is written. */
  readonly before: string
  /** Text after it, which can be shown only with the next piece. */
  readonly undecided: string
}

const unwritten: Written = { characters: 0, before: "", undecided: "" }

export interface Transcript {
  /** The part whose text is being written; another one starts on a line of its own. */
  readonly open: string | undefined
  readonly written: ReadonlyMap<string, Written>
  readonly tools: ReadonlyMap<string, ToolSegment.ToolSegment["status"]>
}

export const empty: Transcript = { open: undefined, written: new Map(), tools: new Map() }

const FinalPart = Schema.fromJsonString(
  Schema.Struct({
    id: Schema.optionalKey(Schema.String),
    name: Schema.optionalKey(Schema.String),
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

type Step = readonly [Transcript, ScreenText]

const newLine = screen`\n`

/** `isLast`: nothing follows, so nothing waits for it. */
const text = (state: Transcript, style: Style, kind: string, partId: string, added: string, isLast = false): Step => {
  const { before, characters, undecided } = state.written.get(partId) ?? unwritten
  const [shown, rest] = isLast ? [added, ""] : splitDecided(undecided + added)
  const next = { characters: characters + shown.length, before: (before + shown).slice(-4), undecided: rest }
  const written = new Map(state.written).set(partId, next)
  if (shown === "") return [{ ...state, written }, none]
  const label =
    kind === "text" ? none : style.faint(kind === "reasoning" ? screen`thinking: ` : screen`${ScreenText.line(kind)}: `)
  const heading = state.open === partId ? none : screen`${state.open === undefined ? none : newLine}${label}`
  const piece = ScreenText.piece(shown, before)
  return [{ ...state, open: partId, written }, screen`${heading}${kind === "reasoning" ? style.faint(piece) : piece}`]
}

const block = (content: string) => ScreenText.indent(screen`${content}`, "         ")

const tool = (state: Transcript, style: Style, partId: string, call: ToolSegment.ToolSegment): Step => {
  const before = state.tools.get(partId)
  const started =
    before === undefined
      ? screen`${state.open === undefined ? none : newLine}${style.faint(screen`tool:`)} ${ScreenText.line(call.tool)}\n  input  ${block(call.input)}\n`
      : none
  const ended =
    call.status === "running" || (before !== undefined && before !== "running")
      ? none
      : screen`  ${call.status === "error" ? style.alarm(screen`error `) : screen`output`} ${block(call.output)}\n`
  const news = screen`${started}${ended}`
  if (news.isEmpty) return [state, none]
  return [{ ...state, open: undefined, tools: new Map(state.tools).set(partId, call.status) }, news]
}

/** Writes the news of a running turn. */
export const live = (state: Transcript, style: Style, segments: ReadonlyArray<Segment>): Step =>
  segments.reduce<Step>(
    ([current, out], segment) => {
      const call = segment.kind === "tool" ? ToolSegment.decode(segment.text) : Option.none()
      const [next, more] = Option.isSome(call)
        ? tool(current, style, segment.partId, call.value)
        : text(current, style, segment.kind, segment.partId, segment.text)
      return [next, screen`${out}${more}`]
    },
    [state, none]
  )

/** Notices that the answer of a completed turn is not whole. */
const incomplete: ReadonlySet<string> = new Set<TurnNotice["name"]>(["OutputLimit", "EmptyAnswer"])

/** Whether the final parts of a completed turn are an answer that is not cut off, and not empty. */
export const isWhole = (parts: ReadonlyArray<Part>): boolean =>
  !parts.some(
    ({ kind, payload }) =>
      kind === "notice" && Option.exists(decodePart(payload), ({ name = "" }) => incomplete.has(name))
  )

/** How a turn ended, and who answered it. */
export interface Verdict {
  readonly status: string
  readonly error: { readonly message: string } | null
  readonly answeredBy?: { readonly model: string; readonly agent: string } | null
}

/** Writes what the final parts hold beyond what was written live, and how the turn ended if not well. */
export const end = (state: Transcript, style: Style, turn: Verdict, parts: ReadonlyArray<Part>): Step => {
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
        return [next, screen`${out}${more}`]
      }
      const missing = (whole ?? "").slice((current.written.get(id) ?? unwritten).characters)
      if (missing === "") return [current, out]
      const [next, more] = text(current, style, part.kind, id, missing, true)
      return [next, screen`${out}${more}`]
    },
    [state, none]
  )
  const closing = last.open === undefined ? none : newLine
  const reason = turn.error === null ? none : screen`: ${ScreenText.indent(screen`${turn.error.message}`, "  ")}`
  const verdict =
    turn.status === "completed" ? none : screen`${style.alarm(screen`${ScreenText.line(turn.status)}${reason}`)}\n`
  const by = turn.answeredBy
  const credit =
    by === null || by === undefined
      ? none
      : screen`${style.faint(screen`answered by ${ScreenText.line(by.model)}, agent ${ScreenText.line(by.agent)}`)}\n`
  return [last, screen`${rest}${closing}${credit}${verdict}`]
}
