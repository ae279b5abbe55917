/**
 * The final parts of a turn, from OpenCode's record of it. Pure.
 *
 * @since 0.1.0
 */
import { type AssistantWithParts, type Part, visibleParts } from "@opencode-worker/opencode-host"

/** What the deployment stores. `payload` is JSON: OpenCode's own part, or `{ text }` for a notice. */
export interface FinalPart {
  readonly index: number
  readonly kind: string
  readonly payload: string
}

/** Text that was streamed to watchers, by part. */
export interface Streamed {
  readonly partId: string
  readonly kind: "text" | "reasoning"
  readonly text: string
}

interface Content {
  readonly kind: string
  readonly payload: object
}

const isText = (part: Part) => part.type === "text" || part.type === "reasoning"

/** A tool that no server runs any more will never end by itself: it ends here, so that nobody waits for it. */
const endTool = (part: Part): Part =>
  part.type !== "tool" || part.state.status === "completed" || part.state.status === "error"
    ? part
    : {
        ...part,
        state: {
          status: "error",
          input: part.state.input,
          error: "The tool was interrupted",
          time: { start: part.state.status === "running" ? part.state.time.start : 0, end: 0 }
        }
      }

/**
 * The parts in order, notices first. OpenCode loses streamed text in a crash or an abort: `streamed` gives it back.
 *
 * @category constructors
 * @since 0.1.0
 */
export const finalParts = (
  messages: ReadonlyArray<AssistantWithParts>,
  more: { readonly notices?: ReadonlyArray<string>; readonly streamed?: ReadonlyArray<Streamed> } = {}
): ReadonlyArray<FinalPart> => {
  const streamed = new Map(more.streamed?.map((part) => [part.partId, part]))
  const recorded = messages.flatMap(visibleParts).flatMap((part): ReadonlyArray<Content> => {
    const kept = streamed.get(part.id)?.text ?? ""
    streamed.delete(part.id)
    if (!isText(part)) return [{ kind: part.type, payload: endTool(part) }]
    const text = part.text.length < kept.length ? kept : part.text
    return text === "" ? [] : [{ kind: part.type, payload: { ...part, text } }]
  })
  const notices = (more.notices ?? []).map((text): Content => ({ kind: "notice", payload: { text } }))
  const unrecorded = Array.from(streamed.values(), ({ kind, partId, text }): Content => ({
    kind,
    payload: { id: partId, text }
  }))
  return [...notices, ...recorded, ...unrecorded].map(({ kind, payload }, index) => ({
    index,
    kind,
    payload: JSON.stringify(payload)
  }))
}

/** What the deployment takes of one turn, a little below its limits: parts, and characters of all payloads together. */
const mostParts = 1_900
const mostCharacters = 2_900_000
/** The longest text that a tool keeps in its payload where not everything fits, tried one after another. In code units. */
const limits = [100_000, 10_000, 1_000]

/** What a reader needs comes first: what the worker says, then what the model says, then what it did. */
const rank = ({ kind }: FinalPart) => (kind === "notice" ? 0 : kind === "text" || kind === "reasoning" ? 1 : 2)

const charactersOf = (parts: ReadonlyArray<FinalPart>) => parts.reduce((sum, { payload }) => sum + payload.length, 0)

const shortened = (part: FinalPart, limit: number): FinalPart => {
  if (rank(part) < 2 || part.payload.length <= limit) return part
  const cut = (_: string, value: unknown): unknown =>
    typeof value === "string" && value.length > limit ? `${value.slice(0, limit).toWellFormed()}…` : value
  return { ...part, payload: JSON.stringify(JSON.parse(part.payload, cut)) }
}

/** As many as the deployment takes: of the same rank the last ones, because an answer stands at its end. */
const chosen = (parts: ReadonlyArray<FinalPart>): ReadonlyArray<FinalPart> => {
  const taken = new Set<FinalPart>()
  let characters = 0
  for (const part of parts.toSorted((one, other) => rank(one) - rank(other) || other.index - one.index)) {
    if (taken.size === mostParts || characters + part.payload.length > mostCharacters) continue
    characters += part.payload.length
    taken.add(part)
  }
  return parts.filter((part) => taken.has(part))
}

/**
 * The parts as the deployment can take them, and a notice of what became less. Most turns lose nothing; a long one loses
 * the ends of what its tools read and wrote before it loses a part, and its answer last.
 *
 * @category combinators
 * @since 0.1.0
 */
export const bounded = (parts: ReadonlyArray<FinalPart>): ReadonlyArray<FinalPart> => {
  let fitting = parts
  for (const limit of limits) {
    if (charactersOf(fitting) <= mostCharacters) break
    fitting = parts.map((part) => shortened(part, limit))
  }
  const kept = chosen(fitting)
  const originals = new Map(parts.map((part) => [part.index, part.payload]))
  const cut = kept.filter(({ index, payload }) => originals.get(index) !== payload).length
  const missing = parts.length - kept.length
  if (cut === 0 && missing === 0) return parts
  const text = `Not all of this turn is kept here: of ${parts.length} parts ${cut} are shortened and ${missing} left out. OpenCode has them.`
  return [...kept, { index: parts.length, kind: "notice", payload: JSON.stringify({ text }) }]
}
