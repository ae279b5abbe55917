/**
 * What was said in a session of OpenCode's, as turns: opencode-host in the terms of convex-sync's history.
 *
 * @since 0.1.0
 */
import { type History, TurnResult } from "@opencode-worker/convex-sync"
import {
  type AssistantWithParts,
  classifyTurn,
  type HostError,
  type MessageWithParts,
  OpenCodeHost,
  type TurnFailure,
  usageOf,
  type UserMessage
} from "@opencode-worker/opencode-host"
import { Effect, Option } from "effect"
import { finalParts } from "./FinalParts.ts"

/** Messages read at once: with large tool outputs half a megabyte. */
const pageSize = 10

type Prompt = MessageWithParts<UserMessage>

const isAnswer = (message: MessageWithParts): message is AssistantWithParts => message.info.role === "assistant"
const isPrompt = (message: MessageWithParts): message is Prompt => message.info.role === "user"

/** What the person wrote, without what OpenCode added for the model. */
const textOf = ({ parts }: Prompt): string =>
  parts.flatMap((part) => (part.type === "text" && part.synthetic !== true ? [part.text] : [])).join("\n")

const unanswered: TurnFailure = { name: "NotAnswered", message: "OpenCode did not answer this." }
const cutShort: TurnFailure = { name: "Interrupted", message: "OpenCode was stopped in the middle of this." }

/** None: the session is at work, and may be so on this one; or nothing was said, because OpenCode was killed just then. */
const ended = (
  prompt: Prompt,
  answers: ReadonlyArray<AssistantWithParts>,
  busy: boolean
): Option.Option<History.EndedTurn> => {
  const { agent, model, time } = prompt.info
  const state = classifyTurn(answers, { sessionBusy: false })
  const incomplete = state._tag !== "Ended" || state.outcome === "interrupted"
  if (incomplete && (busy || (prompt.parts.length === 0 && answers.length === 0))) return Option.none()
  const error = incomplete ? (answers.length === 0 ? unanswered : cutShort) : state.error
  const last = answers.at(-1)?.info.time
  return Option.some({
    text: textOf(prompt),
    ...(agent !== undefined && { agent }),
    ...(model !== undefined && { model: `${model.providerID}/${model.modelID}` }),
    askedAt: time.created,
    finishedAt: last?.completed ?? last?.created ?? time.created,
    ...TurnResult.fitting({
      outcome: incomplete ? "interrupted" : state.outcome,
      error,
      usage: usageOf(answers),
      parts: finalParts(answers)
    })
  })
}

/**
 * The history of one of OpenCode's sessions. A turn of which it is not certain that it has ended is left out.
 *
 * @category constructors
 * @since 0.1.0
 */
export const openCodeHistory = (sessionId: string) =>
  Effect.map(OpenCodeHost, ({ client }): History.HistorySource<AssistantWithParts, HostError> => {
    const busy = Effect.map(client.sessions.status, (status) => status[sessionId] !== undefined)
    const page = Effect.fnUntraced(function* (before: string | undefined) {
      // On both sides of the reading: whatever runs at its moment runs at one of the two.
      const atFirst = yield* busy
      const { before: older, messages } = yield* client.messages.list(sessionId, { limit: pageSize, before })
      const atWork = (yield* busy) || atFirst
      return {
        before: older,
        messages: messages.flatMap((message): ReadonlyArray<History.Message<AssistantWithParts>> => {
          if (isAnswer(message)) return [{ _tag: "Answer", promptId: message.info.parentID, answer: message }]
          if (!isPrompt(message)) return []
          const turn = (answers: ReadonlyArray<AssistantWithParts>) => ended(message, answers, atWork)
          return [{ _tag: "Prompt", id: message.info.id, turn }]
        })
      }
    })
    return {
      page,
      has: (messageId) =>
        client.messages.get(sessionId, messageId).pipe(
          Effect.as(true),
          Effect.catchReason("HostError", "NotFound", () => Effect.succeed(false))
        )
    }
  })
