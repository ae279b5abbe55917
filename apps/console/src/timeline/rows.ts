/**
 * The rows of a session's timeline: prompts, the blocks of their answers, and their ends. Pure.
 *
 * Invariant: a row that did not change is the same object, so that only changed rows are rendered again. A block has the same
 * key while it streams and afterwards.
 */
import type { OutlineEntry, Turn } from "@opencode-worker/client"
import type { TurnView } from "@opencode-worker/client"
import type { OutboxItem } from "../data/Outbox.ts"

export type Block = TurnView.Block

export type Row =
  | { readonly kind: "prompt"; readonly key: string; readonly turn: Turn }
  | {
      readonly kind: "block"
      readonly key: string
      readonly turn: Turn
      readonly block: Block
      /** Of the whole part, if `block` has only its head. */
      readonly index: number | null
      /** It may still grow. */
      readonly isLive: boolean
    }
  | { readonly kind: "end"; readonly key: string; readonly turn: Turn }
  | { readonly kind: "sending"; readonly key: string; readonly item: OutboxItem }

/** The known part of a turn's answer. */
export interface TurnContent {
  readonly turn: Turn
  /** Of a turn that runs, or ended while it was shown. */
  readonly view: TurnView.TurnView | null
  /** The last entries of a turn that has ended, in their order. */
  readonly entries: ReadonlyArray<OutlineEntry>
  /** `entries` has all of them. */
  readonly isComplete: boolean
}

/** The entries of a turn without an answer. */
export const whole = { entries: [], isComplete: true }

/** A turn that the worker has taken: it runs, or is about to. */
export const runs = ({ status, version }: Turn): boolean => version === null && status !== "queued"

/** The block that an entry of the outline allows to show. Its files have no ids yet. */
const entryBlock = ({ child, duration, files, head, id, kind, status, title, tool }: OutlineEntry): Block => {
  if (kind === "text" || kind === "reasoning") return { kind, id, text: head }
  if (kind === "notice") return { kind, id, name: null, text: head, until: null }
  if (kind === "file") return { kind, id, file: { name: title ?? "", type: head, storageId: null } }
  if (kind !== "tool") return { kind: "other", id, type: kind, part: {} }
  const common = {
    id,
    state: status === "error" ? ("error" as const) : ("completed" as const),
    duration: duration ?? null
  }
  if (child !== undefined) {
    return { kind: "agent", ...common, sessionId: child, agent: "", task: title ?? head, progress: null, output: "" }
  }
  const output = status === "error" ? head : ""
  const unread = Array.from({ length: files ?? 0 }, () => ({ name: "", type: "", storageId: null }))
  return { kind, ...common, tool: tool ?? "", title: title ?? null, input: "", output, files: unread }
}

/** Parts with which OpenCode records the steps of an answer and the files that they changed. */
const records: ReadonlySet<string> = new Set(["step-start", "step-finish", "snapshot", "patch"])

/** Todos and requests have places of their own, and empty text and records need none. */
export const isShown = (block: Block): boolean =>
  block.kind !== "todos" &&
  block.kind !== "request" &&
  !(block.kind === "other" && records.has(block.type)) &&
  !((block.kind === "text" || block.kind === "reasoning") && block.text.trim() === "")

const blockRows = ({ entries, turn, view }: TurnContent): ReadonlyArray<Row> => {
  const isLive = view !== null && view.end === null
  if (view !== null) {
    const shown = view.blocks.filter(isShown)
    return shown.map((block, at) => ({
      kind: "block",
      key: `${turn.turnId}:${block.id}`,
      turn,
      block,
      index: null,
      // Text follows at the end only.
      isLive: isLive && at === shown.length - 1
    }))
  }
  return entries.flatMap((entry) => {
    const block = entryBlock(entry)
    if (!isShown(block)) return []
    return [{ kind: "block", key: `${turn.turnId}:${entry.id}`, turn, block, index: entry.index, isLive: false }]
  })
}

export const promptKey = (turnId: string): string => `${turnId}:prompt`

/** The rows of one turn. Without its first entries it has no prompt yet, which is above them. */
export const turnRows = (content: TurnContent): ReadonlyArray<Row> => {
  const { isComplete, turn } = content
  return [
    ...(isComplete ? [{ kind: "prompt" as const, key: promptKey(turn.turnId), turn }] : []),
    ...blockRows(content),
    ...(turn.version === null ? [] : [{ kind: "end" as const, key: `${turn.turnId}:end`, turn }])
  ]
}

const isSame = (one: Row, other: Row): boolean => {
  const a: Readonly<Record<string, unknown>> = { ...one }
  const b: Readonly<Record<string, unknown>> = { ...other }
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}

/** Whether blocks are equal although they were parsed separately, as those of an outline are. */
const isSameBlock = (one: Row, other: Row): boolean =>
  one.kind === "block" &&
  other.kind === "block" &&
  one.index === other.index &&
  one.index !== null &&
  one.turn === other.turn &&
  JSON.stringify(one.block) === JSON.stringify(other.block)

/** `rows` with the objects of `before` where nothing changed. */
export const reuse = (before: ReadonlyMap<string, Row>, rows: ReadonlyArray<Row>): ReadonlyArray<Row> =>
  rows.map((row) => {
    const known = before.get(row.key)
    return known !== undefined && (isSame(known, row) || isSameBlock(known, row)) ? known : row
  })

export const sameKeys = (one: ReadonlyArray<string>, other: ReadonlyArray<string>): boolean =>
  one.length === other.length && one.every((key, index) => key === other[index])

export interface TimelineState {
  readonly keys: ReadonlyArray<string>
  /** The newest rows were read. */
  readonly isLoaded: boolean
  /** There are earlier rows. */
  readonly hasMore: boolean
  readonly error: unknown
}
