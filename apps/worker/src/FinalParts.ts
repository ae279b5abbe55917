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

/**
 * The parts that the deployment can take, and a notice of how many it cannot. Most turns lose nothing.
 *
 * @category combinators
 * @since 0.1.0
 */
export const bounded = (parts: ReadonlyArray<FinalPart>): ReadonlyArray<FinalPart> => {
  let characters = 0
  const kept = parts.filter(({ payload }, position) => {
    const fits = position < mostParts && characters + payload.length <= mostCharacters
    if (fits) characters += payload.length
    return fits
  })
  const missing = parts.length - kept.length
  if (missing === 0) return parts
  const text = `${missing} of ${parts.length} parts are too large to be kept here. OpenCode has them.`
  return [...kept, { index: parts.length, kind: "notice", payload: JSON.stringify({ text }) }]
}
