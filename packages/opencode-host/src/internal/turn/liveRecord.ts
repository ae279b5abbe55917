/**
 * A session's messages since a prompt, built from events, so that the running turn is read as its record will be.
 * Texts of the assistant are left out: which message they belong to is all that is needed.
 */
import type { Message, MessageWithParts, Part, PromptInput } from "../../OpenCodeClient.ts"
import { isAnsweredAfter, isAssistant, turnsOf } from "../../TurnRecord.ts"

export const liveRecord = ({ messageId }: Pick<PromptInput, "messageId">) => {
  /** In the order in which OpenCode created them. */
  const messages = new Map<string, MessageWithParts>()
  /** Those of the assistant that belong to the turn; true: a summary. */
  const steps = new Map<string, boolean>()
  let isTakenOver = false

  /** Late events of messages before the prompt do not belong here. */
  const isOlder = ({ time }: Message) => {
    const prompt = messages.get(messageId)
    return prompt === undefined || time.created < prompt.info.time.created
  }

  const update = () => {
    const turns = turnsOf([...messages.values()], messageId)
    const own = turns.find(({ prompt }) => prompt.info.id === messageId)
    for (const { info } of own?.messages ?? []) steps.set(info.id, info.summary === true)
    isTakenOver = own !== undefined && isAnsweredAfter(turns, messageId)
  }

  /** A message was created or has changed. */
  const message = (info: Message) => {
    const known = messages.get(info.id)
    // A prompt that is sent again gets a new time, and stays in its place.
    if (known !== undefined && info.id === messageId) return
    if (known === undefined && info.id !== messageId && isOlder(info)) return
    messages.set(info.id, { info, parts: known?.parts ?? [] })
    if (known === undefined && info.role === "assistant") update()
  }

  /** A part of a user message says who wrote it. */
  const part = (changed: Part) => {
    const known = messages.get(changed.messageID)
    if (known === undefined || isAssistant(known)) return
    const isKnown = known.parts.some(({ id }) => id === changed.id)
    const parts = isKnown
      ? known.parts.map((other) => (other.id === changed.id ? changed : other))
      : [...known.parts, changed]
    messages.set(changed.messageID, { ...known, parts })
  }

  /** The record was read: whatever events said before, it says more. */
  const replace = (chain: ReadonlyArray<MessageWithParts>) => {
    for (const known of chain) {
      messages.set(known.info.id, isAssistant(known) ? { info: known.info, parts: [] } : known)
    }
    update()
  }

  return {
    message,
    part,
    replace,
    /** The model answers this prompt, or has answered it. */
    hasBegun: () => steps.size > 0,
    /** The model answers a later prompt. After a gap in the events this may be wrong. */
    isTakenOver: () => isTakenOver,
    isAnswer: (id: string) => steps.get(id) === false,
    isSummary: (id: string) => steps.get(id) === true
  }
}
