/** The final parts of a turn, from OpenCode's record of it. Pure. */
import type { TurnResult } from "@opencode-worker/convex-sync"
import {
  type AssistantWithParts,
  compacted,
  endNotices,
  type OpenCodePart,
  takenOver,
  type TurnNotice,
  visibleParts
} from "@opencode-worker/opencode-host"

interface Content {
  readonly kind: string
  readonly payload: object
}

const isText = (part: OpenCodePart) => part.type === "text" || part.type === "reasoning"

/** A tool whose server has stopped never ends by itself, so it is marked as interrupted. */
const endTool = (part: OpenCodePart): OpenCodePart =>
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

/** `id` and `name` are absent in notices that only the worker creates. */
const notice = (payload: { readonly text: string } & Partial<TurnNotice> & { readonly id?: string }): Content => ({
  kind: "notice",
  payload
})

/**
 * The parts in order: first notices of the worker, then a notice in place of each summary, and at the end of a `completed`
 * turn the reason why its answer is incomplete, such as the next prompt (`takenOver`). OpenCode loses streamed text in a crash or an abort; `streamed` restores it.
 */
export const finalParts = (
  messages: ReadonlyArray<AssistantWithParts>,
  more: {
    readonly notices?: ReadonlyArray<string>
    readonly streamed?: ReadonlyArray<TurnResult.StreamedPart>
    readonly completed?: boolean
    readonly takenOver?: boolean
    /** Tools that run are no ends. */
    readonly isRunning?: boolean
  } = {}
): ReadonlyArray<TurnResult.FinalPart> => {
  const streamed = new Map(more.streamed?.map((part) => [part.partId, part]))
  const ofPart = (part: OpenCodePart): ReadonlyArray<Content> => {
    const kept = streamed.get(part.id)?.text ?? ""
    streamed.delete(part.id)
    if (!isText(part)) return [{ kind: part.type, payload: more.isRunning === true ? part : endTool(part) }]
    const text = part.text.length < kept.length ? kept : part.text
    return text === "" ? [] : [{ kind: part.type, payload: { ...part, text } }]
  }
  const recorded = messages.flatMap((message) =>
    message.info.summary === true && message.info.finish !== undefined && message.info.error === undefined
      ? [notice({ ...compacted, id: message.info.id })]
      : visibleParts(message).flatMap(ofPart)
  )
  const notices = (more.notices ?? []).map((text) => notice({ text }))
  const last = more.completed === true ? (more.takenOver === true ? [takenOver] : endNotices(messages)).map(notice) : []
  const unrecorded = Array.from(streamed.values(), ({ kind, partId, text }): Content => ({
    kind,
    payload: { id: partId, text }
  }))
  return [...notices, ...recorded, ...unrecorded, ...last].map(({ kind, payload }, index) => ({
    index,
    kind,
    payload: JSON.stringify(payload)
  }))
}
