/** Turns the server's events into those of one turn. It reads, and decides nothing about the end. */
import * as Effect from "effect/Effect"
import type { AssistantWithParts, OpenCodeClient, OpenCodeEvent, Part, PromptInput } from "../../OpenCodeClient.ts"
import { failureOf } from "../../Turn.ts"
import { turnOf } from "../../TurnRecord.ts"
import type { Compaction, TurnEvent, TurnFailure } from "../../TurnEvent.ts"
import { liveRecord } from "./liveRecord.ts"
import { liveTools } from "./liveTools.ts"
import { chainSince } from "./record.ts"

type Of<Type extends OpenCodeEvent["type"]> = Extract<OpenCodeEvent, { readonly type: Type }>

const nothing: ReadonlyArray<TurnEvent> = []

const ofStatus = ({ status }: Of<"session.status">["properties"]): ReadonlyArray<TurnEvent> =>
  status.type === "retry"
    ? [{ _tag: "RetryScheduled", attempt: status.attempt, message: status.message, next: status.next }]
    : nothing

/** Why OpenCode refused a prompt, or failed at it. */
export const rejectionOf = ({ properties: { error } }: Of<"session.error">): TurnFailure =>
  error === undefined
    ? { name: "UnknownError", message: "OpenCode refused the prompt" }
    : withoutStack(failureOf(error))

/** OpenCode reports what a plugin or itself threw with its stack, which means nothing to a person. */
const withoutStack = ({ message, ...failure }: TurnFailure): TurnFailure => ({
  ...failure,
  message: message.replace(/\n {4}at [^]*$/, "").replace(/^Error: /, "")
})

export const turnReader = (client: OpenCodeClient, prompt: PromptInput) => {
  const { sessionId, messageId } = prompt
  /** Which messages belong to this turn: late events of an earlier one must not mix in, nor those of a later prompt. */
  const record = liveRecord(prompt)
  const compactions = new Map<string, Compaction["state"]>()
  /**
   * The streamed state of each text part: its kind, the characters sent, and whether it has a gap. After a gap its deltas
   * are withheld and the finished part brings the rest, so that what was sent is always a beginning of the text.
   */
  const texts = new Map<string, { readonly kind: "text" | "reasoning"; sent: number; hasGap: boolean }>()
  const tools = liveTools()
  const textPart = (part: Extract<Part, { type: "text" | "reasoning" }>): ReadonlyArray<TurnEvent> => {
    const text = texts.get(part.id) ?? { kind: part.type, sent: 0, hasGap: false }
    texts.set(part.id, text)
    const delta = part.text.slice(text.sent)
    if (delta === "") return nothing
    text.sent += delta.length
    return [{ _tag: "TextDelta", messageId: part.messageID, partId: part.id, kind: text.kind, delta }]
  }

  const ofSummary = (
    { error, finish, id }: AssistantWithParts["info"],
    isSummary = record.isSummary(id)
  ): ReadonlyArray<TurnEvent> => {
    if (!isSummary || error !== undefined) return nothing
    const state = finish === undefined ? "running" : "completed"
    if (compactions.get(id) === state) return nothing
    compactions.set(id, state)
    return [{ _tag: "Compaction", messageId: id, state }]
  }

  const ofPart = (part: Part): ReadonlyArray<TurnEvent> => {
    record.part(part)
    if (!record.isAnswer(part.messageID)) return nothing
    if (part.type === "text" || part.type === "reasoning") return textPart(part)
    return part.type === "tool" ? tools.read(part) : nothing
  }

  const ofDelta = ({ messageID, partID, field, delta }: Of<"message.part.delta">["properties"]) => {
    const text = texts.get(partID)
    if (text === undefined || text.hasGap || field !== "text" || delta === "") return nothing
    text.sent += delta.length
    return [{ _tag: "TextDelta", messageId: messageID, partId: partID, kind: text.kind, delta } satisfies TurnEvent]
  }

  const read = (event: OpenCodeEvent): ReadonlyArray<TurnEvent> => {
    if (!("sessionID" in event.properties)) return nothing
    if (event.properties.sessionID !== sessionId) {
      return event.type === "message.part.updated" ? tools.readChild(event.properties.part) : nothing
    }
    switch (event.type) {
      case "message.updated": {
        const { info } = event.properties
        record.message(info)
        return info.role === "assistant" ? ofSummary(info) : nothing
      }
      case "message.part.updated":
        return ofPart(event.properties.part)
      case "message.part.delta":
        return ofDelta(event.properties)
      case "session.status":
        return ofStatus(event.properties)
      case "todo.updated":
        return [{ _tag: "TodosUpdated", todos: event.properties.todos }]
      default:
        return nothing
    }
  }

  /** Events may be missing from here on: what they had of each text comes with its end. */
  const markGap = () => {
    for (const text of texts.values()) text.hasGap = true
  }

  /** After a gap: what was missed, as far as OpenCode has it. Takes note of nothing when it fails, so it may be repeated. */
  const catchUp = Effect.gen(function* () {
    const chain = yield* chainSince(client, prompt)
    const status = (yield* client.sessions.status)[sessionId]
    const events: Array<TurnEvent> = []
    record.replace(chain)
    for (const { info, parts } of turnOf(chain, messageId)?.messages ?? []) {
      events.push(...ofSummary(info))
      for (const entry of parts) events.push(...ofPart(entry))
    }
    if (status !== undefined) events.push(...ofStatus({ sessionID: sessionId, status }))
    // OpenCode stores a text when it has ended: of one that began in the gap, the first deltas are lost too.
    markGap()
    return events
  })

  /** The text and the compactions that no event has brought: gaps took them, or all events came too late. */
  const remainingText = (messages: ReadonlyArray<AssistantWithParts>): ReadonlyArray<TurnEvent> =>
    messages.flatMap(({ info, parts }) =>
      info.summary === true
        ? ofSummary(info, true)
        : parts.flatMap((part) => (part.type === "text" || part.type === "reasoning" ? textPart(part) : nothing))
    )

  return { read, catchUp, remainingText, markGap, hasBegun: record.hasBegun, isTakenOver: record.isTakenOver }
}
