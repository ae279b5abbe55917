/**
 * One turn as a terminal or a page renders it: ordered blocks, and its end. Pure, without dependencies.
 *
 * ```
 *   empty ──live(deltas)──▶ blocks grow ──end(final parts)──▶ blocks of the final parts, and `end`
 *                 ▲   └──requests──▶ request blocks
 *                 └── restarted from the first delta, if the prompt was queued again
 * ```
 *
 * Invariants, property-tested
 * - The final view depends only on the final parts, whatever was live before.
 * - A delta is applied once, however often and from whichever cursor it is read.
 * - A block that did not change is the same object.
 */
import type { FinalPart, LiveTurn, PendingRequest, Segment } from "./api.ts"

export type TurnStatus = LiveTurn["status"]

export interface TextBlock {
  readonly kind: "text" | "reasoning"
  readonly id: string
  readonly text: string
}

/** A tool call. While the turn runs, `input` and `output` may be truncated. */
export interface ToolBlock {
  readonly kind: "tool"
  readonly id: string
  readonly tool: string
  readonly title: string | null
  readonly state: "running" | "completed" | "error"
  /** The arguments as JSON. */
  readonly input: string
  /** The output, or the error. Empty while the tool runs. */
  readonly output: string
}

/** A sentence about the turn. As the last block of a running turn it says what the turn waits for. */
export interface NoticeBlock {
  readonly kind: "notice"
  readonly id: string
  /** `Compacted`, `OutputLimit` or `EmptyAnswer`; null for others. */
  readonly name: string | null
  readonly text: string
}

/** A permission or a question that waits for an answer. */
export interface RequestBlock {
  readonly kind: "request"
  readonly id: PendingRequest["requestId"]
  readonly request: PendingRequest
}

/** A final part of another kind, as OpenCode stores it. */
export interface OtherBlock {
  readonly kind: "other"
  readonly id: string
  readonly type: string
  readonly part: Readonly<Record<string, unknown>>
}

export type Block = TextBlock | ToolBlock | NoticeBlock | RequestBlock | OtherBlock

export interface TurnEnd {
  readonly outcome: TurnStatus
  readonly error: LiveTurn["error"]
  readonly usage: LiveTurn["usage"]
  /** The model as `provider/model`, and the agent. Null if there is no answer. */
  readonly answeredBy: LiveTurn["answeredBy"]
  /** The turn completed with an answer that is neither cut off nor empty. */
  readonly isWhole: boolean
}

export interface TurnView {
  readonly status: TurnStatus
  readonly blocks: ReadonlyArray<Block>
  /** Null until the turn has ended. */
  readonly end: TurnEnd | null
  /** The last delta that was applied: subscribe to `turns.live` after it. 0 once the turn has ended. */
  readonly cursor: number
  /** OpenCode's id of the prompt that the deltas belong to. */
  readonly messageId: string | null
}

export interface EndedTurnView extends TurnView {
  readonly end: TurnEnd
}

export const empty: TurnView = { status: "queued", blocks: [], end: null, cursor: 0, messageId: null }

const finalStatuses: ReadonlySet<TurnStatus> = new Set(["completed", "failed", "aborted", "interrupted", "expired"])

/** Whether a turn with this status has ended. */
export const isFinal = (status: TurnStatus): boolean => finalStatuses.has(status)

type Json = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Json => typeof value === "object" && value !== null
const record = (value: unknown): Json => (isRecord(value) ? value : {})
const text = (value: unknown): string | null => (typeof value === "string" ? value : null)

const parse = (json: string): Json => {
  try {
    return record(JSON.parse(json))
  } catch {
    return {}
  }
}

/** Blocks are plain data: equal fields mean equal blocks. */
const isSame = (one: Block, other: Block): boolean => JSON.stringify(one) === JSON.stringify(other)

const toolState = (status: unknown): ToolBlock["state"] =>
  status === "completed" || status === "error" ? status : "running"

/** The block of a whole segment: a tool's progress or a notice. */
const whole = ({ kind, partId: id, text: content }: Segment): Block => {
  if (kind === "notice") return { kind, id, name: null, text: content }
  const { input, output, status, title, tool } = parse(content)
  return {
    kind: "tool",
    id,
    tool: text(tool) ?? "",
    title: text(title),
    state: toolState(status),
    input: text(input) ?? "",
    output: text(output) ?? ""
  }
}

const addSegment = (blocks: Array<Block>, segment: Segment): void => {
  const at = blocks.findLastIndex(({ id }) => id === segment.partId)
  const before = blocks[at]
  if (segment.kind === "text" || segment.kind === "reasoning") {
    const begun = before !== undefined && "text" in before ? before.text : ""
    const block = { kind: segment.kind, id: segment.partId, text: begun + segment.text }
    if (at === -1) blocks.push(block)
    else blocks[at] = block
    return
  }
  const block = whole(segment)
  if (before !== undefined && isSame(before, block)) return
  // A tool stays where its call began; a notice counts from now on.
  if (at !== -1 && segment.kind === "tool") blocks[at] = block
  else {
    if (at !== -1) blocks.splice(at, 1)
    blocks.push(block)
  }
}

/** Applies a result of `turns.live` that was read after `view.cursor`, or after an earlier delta. */
export const live = (view: TurnView, { deltas, messageId, status }: LiveTurn): TurnView => {
  if (view.end !== null) return view
  // The prompt was queued again: its deltas were deleted, and the next ones begin at 1.
  const isRestarted = view.messageId !== null && view.messageId !== messageId
  if (isRestarted && view.cursor > 0) return { ...empty, status }
  const { blocks: before, cursor } = isRestarted ? empty : view
  const unseen = deltas.filter(({ seq }) => seq > cursor)
  if (unseen.length === 0 && status === view.status && messageId === view.messageId) return view
  const blocks = [...before]
  for (const segment of unseen.flatMap(({ segments }) => segments)) addSegment(blocks, segment)
  return { status, blocks, end: null, cursor: unseen.at(-1)?.seq ?? cursor, messageId }
}

/** Shows the requests of the turn that wait now, and removes the others. */
export const requests = (view: TurnView, waiting: ReadonlyArray<PendingRequest>): TurnView => {
  if (view.end !== null) return view
  const ids = new Set<string>(waiting.map(({ requestId }) => requestId))
  const kept = view.blocks.filter((block) => block.kind !== "request" || ids.has(block.id))
  const shown = new Set(kept.map(({ id }) => id))
  const added = waiting.filter(({ requestId }) => !shown.has(requestId))
  if (added.length === 0 && kept.length === view.blocks.length) return view
  const blocks = added.map((request): RequestBlock => ({ kind: "request", id: request.requestId, request }))
  return { ...view, blocks: [...kept, ...blocks] }
}

const partBlock = ({ index, kind, payload }: FinalPart): Block => {
  const part = parse(payload)
  const id = text(part["id"]) ?? String(index)
  if (kind === "text" || kind === "reasoning") return { kind, id, text: text(part["text"]) ?? "" }
  if (kind === "notice") return { kind, id, name: text(part["name"]), text: text(part["text"]) ?? "" }
  if (kind !== "tool") return { kind: "other", id, type: kind, part }
  const { error, input, output, status, title } = record(part["state"])
  return {
    kind,
    id,
    tool: text(part["tool"]) ?? "",
    title: text(title),
    state: toolState(status),
    input: JSON.stringify(input ?? {}),
    output: text(output) ?? text(error) ?? ""
  }
}

/** Names of the notices that an answer is not whole. */
const incomplete: ReadonlySet<string | null> = new Set(["OutputLimit", "EmptyAnswer"])

/** Ends the view with the final parts. `turn` is the last result of `turns.live`, or a row of `turns.list`. */
export const end = (
  view: TurnView,
  { answeredBy, error, status, usage }: Pick<LiveTurn, "answeredBy" | "error" | "status" | "usage">,
  parts: ReadonlyArray<FinalPart>
): EndedTurnView => {
  const before = new Map(view.blocks.map((block) => [block.id, block]))
  const blocks = parts.map((part) => {
    const block = partBlock(part)
    const shown = before.get(block.id)
    return shown !== undefined && isSame(shown, block) ? shown : block
  })
  const isWhole =
    status === "completed" && !blocks.some((block) => block.kind === "notice" && incomplete.has(block.name))
  return { status, blocks, end: { outcome: status, error, usage, answeredBy, isWhole }, cursor: 0, messageId: null }
}

/** The answer: its text blocks, separated by blank lines. */
export const answer = ({ blocks }: TurnView): string =>
  blocks.flatMap((block) => (block.kind === "text" ? [block.text] : [])).join("\n\n")
