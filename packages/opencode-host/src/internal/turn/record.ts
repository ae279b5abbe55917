/** Reads from OpenCode's record how a turn stands. */
import * as Effect from "effect/Effect"
import type { HostError } from "../../HostError.ts"
import type { AssistantWithParts, MessageWithParts, OpenCodeClient, PromptInput } from "../../OpenCodeClient.ts"
import { isAnsweredAfter, turnOf, turnsOf } from "../../TurnRecord.ts"

type PromptIds = Pick<PromptInput, "sessionId" | "messageId">

/** Waiting for a retry counts as busy. */
export const isBusy = (client: OpenCodeClient, sessionId: string): Effect.Effect<boolean, HostError> =>
  Effect.map(client.sessions.status, (status) => (status[sessionId]?.type ?? "idle") !== "idle")

/** Most turns are few steps; a long one is paged. */
const pageSize = 20

/**
 * The messages from a prompt to the newest, oldest first; none where OpenCode does not have the prompt. Pages back from the
 * newest message, so it costs what was written since the prompt, not the whole session.
 */
export const chainSince = Effect.fnUntraced(function* (
  client: OpenCodeClient,
  { messageId, sessionId }: PromptIds
): Effect.fn.Return<ReadonlyArray<MessageWithParts>, HostError> {
  let chain: ReadonlyArray<MessageWithParts> = []
  let before: string | undefined
  do {
    const page = yield* client.messages.list(sessionId, { limit: pageSize, before })
    chain = [...page.messages, ...chain]
    const at = page.messages.findIndex(({ info }) => info.id === messageId)
    if (at >= 0) return chain.slice(at)
    before = page.before
  } while (before !== undefined)
  return []
})

/** The assistant's messages of a turn, oldest first, and whether OpenCode answers a later prompt since. */
interface TurnInRecord {
  readonly messages: ReadonlyArray<AssistantWithParts>
  readonly takenOver: boolean
}

export const notTakenOver: TurnInRecord = { messages: [], takenOver: false }

export const turnInRecord = (client: OpenCodeClient, prompt: PromptIds): Effect.Effect<TurnInRecord, HostError> =>
  Effect.map(chainSince(client, prompt), (chain) => {
    const turns = turnsOf(chain, prompt.messageId)
    const messages = turnOf(chain, prompt.messageId)?.messages ?? []
    return { messages, takenOver: isAnsweredAfter(turns, prompt.messageId) }
  })
