/** Reads from OpenCode's record what a turn is about. */
import { Effect } from "effect"
import type { HostError } from "../HostError.ts"
import type { AssistantWithParts, MessageWithParts, OpenCodeClient, PromptInput } from "../OpenCodeClient.ts"

/** Waiting for a retry counts as busy. */
export const isBusy = (client: OpenCodeClient, sessionId: string): Effect.Effect<boolean, HostError> =>
  Effect.map(client.sessions.status, (status) => (status[sessionId]?.type ?? "idle") !== "idle")

/** Most turns are few steps; a long one is paged. */
const pageSize = 20

/**
 * The assistant messages of a prompt, oldest first. Pages back from the newest message to the prompt, so it costs what
 * was said since the prompt, not the whole history.
 */
export const turnMessages = Effect.fnUntraced(function* (
  client: OpenCodeClient,
  { sessionId, messageId }: Pick<PromptInput, "sessionId" | "messageId">
): Effect.fn.Return<ReadonlyArray<AssistantWithParts>, HostError> {
  let found: ReadonlyArray<AssistantWithParts> = []
  let before: string | undefined
  do {
    const page = yield* client.messages.list(sessionId, { limit: pageSize, before })
    found = [...page.messages.filter((message) => isAnswer(message, messageId)), ...found]
    if (page.messages.some((message) => message.info.id === messageId)) break
    before = page.before
  } while (before !== undefined)
  return found
})

const isAnswer = (message: MessageWithParts, messageId: string): message is AssistantWithParts =>
  message.info.role === "assistant" && message.info.parentID === messageId
