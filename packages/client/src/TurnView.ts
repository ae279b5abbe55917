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
import type { FinalPart, LiveTurn, PendingRequest } from "./api.ts"
import { type Block, isSame, type RequestBlock } from "./internal/view/blocks.ts"
import { partBlock, withTodos } from "./internal/view/parts.ts"
import { addSegment } from "./internal/view/segments.ts"

export type * from "./internal/view/blocks.ts"
export { partBlock }

export type TurnStatus = LiveTurn["status"]

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

/** Names of the notices that an answer is not whole. */
const incomplete: ReadonlySet<string | null> = new Set(["OutputLimit", "EmptyAnswer"])

/** Ends the view with the final parts. `turn` is the last result of `turns.live`, or a row of `turns.list`. */
export const end = (
  view: TurnView,
  { answeredBy, error, status, usage }: Pick<LiveTurn, "answeredBy" | "error" | "status" | "usage">,
  parts: ReadonlyArray<FinalPart>
): EndedTurnView => {
  const before = new Map(view.blocks.map((block) => [block.id, block]))
  const blocks = withTodos(parts.map(partBlock)).map((block) => {
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
