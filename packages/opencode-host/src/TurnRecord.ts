/**
 * Which of a session's messages belong to which prompt. Pure: the running turn, recovery and history all read with it.
 *
 * A turn is everything from one prompt of a person to the next one. OpenCode writes user messages of its own in between,
 * and the answers that follow name those as their parent:
 *
 * | user message | written | belongs to |
 * | --- | --- | --- |
 * | a `compaction` part, `auto` | by OpenCode, when the context is full | the turn before it |
 * | synthetic text alone | by OpenCode: after a compaction, a sub-task command, an approved plan, a background task | the turn before it |
 * | text alone that the model does not get (`ignored`) | by a plugin: a notice for people | the turn before it |
 * | the prompt again, after a compaction with `overflow` | by OpenCode: the prompt did not fit | the turn before it |
 * | a `compaction` part, not `auto` | for a person: `/compact` | a turn of its own, `compaction` |
 * | OpenCode's text for a shell command | for a person: `!ls` | a turn of its own, `shell` |
 * | any other | by a person, or by a plugin that asks for no answer (`noReply`) | a turn of its own, `prompt` |
 *
 * Invariants, property-tested
 * - Each message of the assistant whose parent is in the chain belongs to one turn, and the order is kept.
 * - Reading a chain in pages, from its end, yields the same turns as reading it at once.
 */
import type { AssistantWithParts, MessageWithParts, Part, UserMessage } from "./OpenCodeClient.ts"

/**
 * An action of a person: sent a prompt (or a command), ran a shell command, or had the conversation compacted.
 */
export type TurnKind = "prompt" | "shell" | "compaction"

export interface RecordedTurn {
  readonly kind: TurnKind
  readonly prompt: MessageWithParts<UserMessage>
  /** The assistant's messages, oldest first. Those with `info.summary` are OpenCode's summaries, not answers. */
  readonly messages: ReadonlyArray<AssistantWithParts>
}

type Prompt = RecordedTurn["prompt"]

export const isAssistant = (message: MessageWithParts): message is AssistantWithParts =>
  message.info.role === "assistant"
const isUser = (message: MessageWithParts): message is Prompt => message.info.role === "user"

/** OpenCode's own text for a command that a person ran in a shell, which the model did not ask for. */
const shellText = "The following tool was executed by the user"

const compactionOf = ({ parts }: MessageWithParts) => parts.find((part) => part.type === "compaction")

const isCompleteSummary = ({ info: { error, finish, summary } }: AssistantWithParts) =>
  summary === true && finish !== undefined && error === undefined

/** Text that no person wrote. */
const isNotice = (part: Part) => part.type === "text" && (part.synthetic === true || part.ignored === true)

/** The kind of turn that a user message begins; undefined: OpenCode or a plugin wrote it in the middle of a turn. */
const kindOf = (message: Prompt): TurnKind | undefined => {
  const { parts } = message
  const compaction = compactionOf(message)
  if (compaction !== undefined) return compaction.auto ? undefined : "compaction"
  if (parts.length === 0 || !parts.every(isNotice)) return "prompt"
  return parts.some((part) => part.type === "text" && part.text === shellText) ? "shell" : undefined
}

/** A prompt that OpenCode repeats has the same contents under other ids, with a text for each attachment. */
const contentOf = ({ parts }: Prompt): string =>
  JSON.stringify(
    parts.flatMap((part) => {
      if (part.type === "text") return part.synthetic === true ? [] : [part.text]
      if (part.type === "file") return [attachment(part)]
      return part.type === "subtask" ? [part.prompt] : part.type === "agent" ? [part.name] : []
    })
  )

const attachment = ({ filename = "file", mime }: Extract<Part, { type: "file" }>) => `[Attached ${mime}: ${filename}]`

/**
 * The turns of a chain of messages, oldest first. `promptId` names a message that is known to be a person's prompt.
 */
export const turnsOf = (chain: ReadonlyArray<MessageWithParts>, promptId?: string): ReadonlyArray<RecordedTurn> => {
  const turns: Array<RecordedTurn & { readonly messages: Array<AssistantWithParts> }> = []
  /** The turn of each user message. */
  const owners = new Map<string, (typeof turns)[number]>()
  /** The prompt before each user message: OpenCode repeats it if it did not fit. */
  const askedBefore = new Map<string, string | undefined>()
  let asked: string | undefined
  /** The compaction that waits for its summary is for a prompt that did not fit; undefined: it is not known. */
  let isOverflow: boolean | undefined
  /** The summary is there, so this may come again; without contents: whatever comes. */
  let expected: { readonly content: string | undefined } | undefined
  for (const message of chain) {
    if (isAssistant(message)) {
      const isSummary = isCompleteSummary(message)
      expected = isSummary && isOverflow !== false ? { content: askedBefore.get(message.info.parentID) } : undefined
      if (isSummary) isOverflow = false
    } else if (isUser(message)) {
      const { id } = message.info
      const content = contentOf(message)
      const kind = id === promptId ? "prompt" : kindOf(message)
      const isRepeated =
        kind === "prompt" && id !== promptId && expected !== undefined && (expected.content ?? content) === content
      if (kind !== undefined && !isRepeated) turns.push({ kind, prompt: message, messages: [] })
      const owner = turns.at(-1)
      if (owner !== undefined) owners.set(id, owner)
      askedBefore.set(id, asked)
      const compaction = compactionOf(message)
      if (compaction === undefined) asked = content
      else isOverflow = compaction.overflow === true
    }
  }
  for (const message of chain) if (isAssistant(message)) owners.get(message.info.parentID)?.messages.push(message)
  return turns
}

/**
 * The turn of a prompt; undefined: the chain does not hold it.
 */
export const turnOf = (chain: ReadonlyArray<MessageWithParts>, promptId: string): RecordedTurn | undefined =>
  turnsOf(chain, promptId).find(({ prompt }) => prompt.info.id === promptId)

/** Whether the model has begun to answer a prompt that came after this one. */
export const isAnsweredAfter = (turns: ReadonlyArray<RecordedTurn>, promptId: string): boolean =>
  turns
    .slice(turns.findIndex(({ prompt }) => prompt.info.id === promptId) + 1)
    .some(({ kind, messages }) => kind === "prompt" && messages.length > 0)

/** A turn, and whether the next prompt took over from it. */
export type TakenOverTurn = RecordedTurn & { readonly takenOver: boolean }

/**
 * Whether the next prompt took over from this turn, so that no later message says how this turn ended: it was stored before
 * the turn's last step had ended, and steered it; or nothing answered this turn, and the model read both prompts together.
 * OpenCode does not mark messages that ask for no answer (`noReply`): to the record they are prompts that nothing answered.
 */
const isTakenOver = ({ kind, messages }: RecordedTurn, next: TakenOverTurn | undefined): boolean => {
  if (next?.kind !== "prompt") return false
  const last = messages.at(-1)
  if (last === undefined) return kind === "prompt" && (next.messages.length > 0 || next.takenOver)
  const { completed } = last.info.time
  return next.messages.length > 0 && completed !== undefined && next.prompt.info.time.created <= completed
}

/** The same for all turns of a chain. `newer`: the turn after them. */
export const withTakenOver = (
  turns: ReadonlyArray<RecordedTurn>,
  newer?: TakenOverTurn
): ReadonlyArray<TakenOverTurn> => {
  const found: Array<TakenOverTurn> = []
  let next = newer
  for (const turn of turns.toReversed()) {
    next = { ...turn, takenOver: isTakenOver(turn, next) }
    found.unshift(next)
  }
  return found
}

/** Whether a turn begins at this place, whatever came before the chain. */
const begins = (chain: ReadonlyArray<MessageWithParts>, at: number): boolean => {
  const message = chain[at]
  if (message === undefined || !isUser(message) || kindOf(message) === undefined) return false
  const before = chain.slice(0, at).findLastIndex(isAssistant)
  const answer = chain[before]
  if (answer === undefined || !isAssistant(answer)) return false
  // Between a compaction and its summary this may be one more message of its turn.
  if (chain.slice(before, at).some((between) => compactionOf(between) !== undefined)) return false
  if (answer.info.summary !== true) return true
  const compaction = chain.filter(({ info }) => info.id === answer.info.parentID).map(compactionOf)[0]
  return isCompleteSummary(answer) && compaction !== undefined && compaction.overflow !== true
}

/**
 * Messages of the pages read so far whose turns begin in an older page, oldest first.
 */
export type TurnRemainder = ReadonlyArray<MessageWithParts>

/**
 * The turns that one more page completes, newest first, where pages come from the newest to the oldest. `isOldest`: no
 * page follows.
 */
export const turnsOfPage = (
  remainder: TurnRemainder,
  page: ReadonlyArray<MessageWithParts>,
  isOldest: boolean
): readonly [TurnRemainder, ReadonlyArray<RecordedTurn>] => {
  const chain = [...page, ...remainder]
  const first = isOldest ? 0 : chain.findIndex((_, at) => begins(chain, at))
  if (first < 0) return [chain, []]
  const complete = chain.slice(first)
  const users = new Set(complete.filter(isUser).map(({ info }) => info.id))
  const others = complete.filter((message) => isAssistant(message) && !users.has(message.info.parentID))
  return [[...chain.slice(0, first), ...others], turnsOf(complete).toReversed()]
}

/**
 * The person's text, without OpenCode's additions for the model. `/name` heads a command, `!` a shell command;
 * attachments are named where there is no text.
 */
export const promptText = ({ kind, messages, prompt: { parts } }: RecordedTurn): string => {
  if (kind === "compaction") return "/compact"
  if (kind === "shell") {
    const commands = messages.flatMap((message) =>
      message.parts.flatMap((part) => (part.type === "tool" ? [part] : []))
    )
    return `!${commands.map(({ state }) => String(state.input["command"])).join("\n")}`
  }
  const texts = parts.flatMap((part) => {
    if (part.type === "text" && part.synthetic !== true) return [part.text]
    if (part.type !== "subtask") return []
    return [part.command === undefined ? part.prompt : `/${part.command}\n${part.prompt}`]
  })
  const attachments = parts.flatMap((part) => (part.type === "file" ? [attachment(part)] : []))
  return (texts.some((text) => text.trim() !== "") ? texts : attachments).join("\n")
}
