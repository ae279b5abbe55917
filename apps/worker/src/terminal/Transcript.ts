/**
 * Writes the views of a turn to a terminal, each piece once. Pure: maps the transcript so far and a view to the next
 * transcript and the text to write.
 *
 * Invariant: text that was written while the turn ran is not written again. The last view adds the missing text.
 */
import * as TurnView from "@opencode-worker/client/view"
import { cleanText, splitDecided } from "@opencode-worker/client/text"
import * as Markdown from "./markdown/stream.ts"
import { none, ScreenText, screen } from "./output/ScreenText.ts"
import type { Style } from "./output/Style.ts"
import { preview } from "./ToolPreview.ts"

/** The written part of one block's text. */
interface Written {
  readonly characters: number
  /** The end of the written text. */
  readonly before: string
  readonly markdown: Markdown.Progress
}

const unwritten: Written = { characters: 0, before: "", markdown: Markdown.start }

/** The properties of the output. `width`: columns for Markdown, or null to write text as it is. */
export interface Page {
  readonly style: Style
  readonly width: number | null
}

export interface Transcript {
  /** The block whose text is being written; another one starts on a new line. */
  readonly open: string | undefined
  readonly written: ReadonlyMap<string, Written>
  /** By the id of the block; a file is completed. */
  readonly tools: ReadonlyMap<string, TurnView.ToolBlock["state"]>
  /** The source of Markdown that is not written yet, because later text may change it. Not cleaned. */
  readonly pending: string
}

export const empty: Transcript = { open: undefined, written: new Map(), tools: new Map(), pending: "" }

type Step = readonly [Transcript, ScreenText]

const newLine = screen`\n`

/** Writes an answer as Markdown, in whole lines. */
const markdown = (state: Transcript, page: Markdown.Page, id: string, whole: string, isLast: boolean): Step => {
  const before = state.written.get(id) ?? unwritten
  const source = cleanText(isLast ? whole : splitDecided(whole)[0])
  const { pending, progress, text: added } = Markdown.write(page, source, before.markdown, isLast)
  const written = new Map(state.written).set(id, { ...before, markdown: progress })
  if (added.isEmpty) return [{ ...state, written, pending }, none]
  return [{ ...state, open: undefined, written, pending }, screen`${state.open === undefined ? none : newLine}${added}`]
}

/** Writes a block's text so far. `isLast`: no text follows, so an incomplete last character is written too. */
const text = (state: Transcript, { style }: Page, kind: string, id: string, whole: string, isLast: boolean): Step => {
  const { before, characters, markdown: progress } = state.written.get(id) ?? unwritten
  const missing = whole.slice(characters)
  const shown = isLast ? missing : splitDecided(missing)[0]
  if (shown === "") return [state, none]
  const written = new Map(state.written)
  written.set(id, { characters: characters + shown.length, before: (before + shown).slice(-4), markdown: progress })
  const label =
    kind === "text" ? none : style.faint(kind === "reasoning" ? screen`thinking: ` : screen`${ScreenText.line(kind)}: `)
  const heading = state.open === id ? none : screen`${state.open === undefined ? none : newLine}${label}`
  const piece = ScreenText.piece(shown, before)
  return [{ ...state, open: id, written }, screen`${heading}${kind === "reasoning" ? style.faint(piece) : piece}`]
}

const indented = (content: string) => ScreenText.indent(screen`${content}`, "         ")

const fileName = ({ name, storageId, type }: TurnView.BlockFile): ScreenText =>
  screen`${ScreenText.line(name)} (${ScreenText.line(type)}${storageId === null ? screen`, too large to keep` : none})`

const tool = (state: Transcript, style: Style, call: TurnView.ToolBlock): Step => {
  const before = state.tools.get(call.id)
  const started =
    before === undefined
      ? screen`${state.open === undefined ? none : newLine}${style.faint(screen`tool:`)} ${ScreenText.line(call.tool)}\n  input  ${indented(call.input)}\n`
      : none
  const ended =
    call.state === "running" || (before !== undefined && before !== "running")
      ? none
      : screen`  ${call.state === "error" ? style.alarm(screen`error `) : screen`output`} ${indented(preview(call.output))}\n${ScreenText.join(call.files.map((file) => screen`  file   ${fileName(file)}\n`))}`
  const added = screen`${started}${ended}`
  if (added.isEmpty) return [state, none]
  return [{ ...state, open: undefined, tools: new Map(state.tools).set(call.id, call.state) }, added]
}

/** A line when a sub-agent starts, and its answer when it ends. */
const subAgent = (
  state: Transcript,
  style: Style,
  { agent, id, output, state: now, task }: TurnView.SubAgentBlock
): Step =>
  tool(state, style, {
    kind: "tool",
    id,
    tool: `${agent} (sub-agent)`,
    title: null,
    state: now,
    input: task,
    output,
    duration: null,
    files: []
  })

/** A line when the file is first seen. `turns files` lists where it can be read. */
const file = (state: Transcript, style: Style, { file: shown, id }: TurnView.FileBlock): Step => {
  if (state.tools.has(id)) return [state, none]
  const heading = state.open === undefined ? none : newLine
  const tools = new Map(state.tools).set(id, "completed")
  return [{ ...state, open: undefined, tools }, screen`${heading}${style.faint(screen`file:`)} ${fileName(shown)}\n`]
}

const block = (state: Transcript, page: Page, shown: TurnView.Block, isLast: boolean): Step => {
  const { style, width } = page
  switch (shown.kind) {
    case "tool":
      return tool(state, style, shown)
    case "agent":
      return subAgent(state, style, shown)
    case "file":
      return file(state, style, shown)
    case "request":
    case "todos":
      return [state, none]
    case "other": {
      const content = shown.part["text"]
      return text(state, page, shown.type, shown.id, typeof content === "string" ? content : "", isLast)
    }
    case "notice":
      // One id may have several notices in sequence.
      return text(state, page, shown.kind, `${shown.id} ${shown.text}`, shown.text, true)
    case "reasoning":
      return text(state, page, shown.kind, shown.id, shown.text, isLast)
    case "text":
      return width === null
        ? text(state, page, shown.kind, shown.id, shown.text, isLast)
        : markdown(state, { style, width }, shown.id, shown.text, isLast)
  }
}

/** The kinds of blocks that begin only when the text before them is complete. */
const follows: ReadonlySet<TurnView.Block["kind"]> = new Set(["text", "reasoning", "tool", "agent", "file"])

const isRefused = (shown: TurnView.Block) => shown.kind === "tool" && shown.state === "error"

/** A refusal without instructions ends a turn: the tool call that was refused, or the question that was dismissed. */
const refusal = (blocks: ReadonlyArray<TurnView.Block>): ScreenText => {
  const refused = blocks.findLast(isRefused)
  if (refused?.kind !== "tool") return screen`stopped: you said no`
  if (refused.tool === "question") return screen`stopped: the question was dismissed`
  return screen`stopped: you said no to ${ScreenText.line(`${refused.tool} ${refused.title ?? ""}`.trimEnd())}`
}

/** The outcome of a turn that did not complete, for its operator, who alone can stop it. */
const verdictOf = (blocks: ReadonlyArray<TurnView.Block>, { error, outcome }: TurnView.TurnEnd): ScreenText => {
  const reason = error === null ? none : screen`: ${ScreenText.indent(screen`${error.message}`, "  ")}`
  switch (outcome) {
    case "aborted":
      if (error === null) return screen`stopped by you`
      return error.name === "Rejected" ? refusal(blocks) : screen`stopped${reason}`
    case "interrupted":
      return screen`cut short${reason}`
    default:
      return screen`${ScreenText.line(outcome)}${reason}`
  }
}

/** The outcome of a turn that did not complete, and the model and agent. */
const closing = (style: Style, blocks: ReadonlyArray<TurnView.Block>, end: TurnView.TurnEnd): ScreenText => {
  const { answeredBy, outcome } = end
  const verdict = outcome === "completed" ? none : screen`${style.alarm(verdictOf(blocks, end))}\n`
  if (answeredBy === null) return verdict
  const { agent, model } = answeredBy
  return screen`${style.faint(screen`answered by ${ScreenText.line(model)}, agent ${ScreenText.line(agent)}`)}\n${verdict}`
}

/** Writes the part of a view that is not written yet. */
export const render = (state: Transcript, page: Page, { blocks, end }: TurnView.TurnView): Step => {
  const newest = blocks.findLastIndex(({ kind }) => follows.has(kind))
  const [last, added] = blocks.reduce<Step>(
    ([current, out], shown, index) => {
      const [next, more] = block(current, page, shown, end !== null || index < newest)
      return [next, more.isEmpty ? out : screen`${out}${more}`]
    },
    [{ ...state, pending: "" }, none]
  )
  if (end === null) return [last, added]
  return [last, screen`${added}${last.open === undefined ? none : newLine}${closing(page.style, blocks, end)}`]
}
