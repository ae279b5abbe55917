/** The use of the sub-agents of a turn, from their own messages: OpenCode does not add it to that of the turn. */
import * as Effect from "effect/Effect"
import type { HostError } from "../../HostError.ts"
import type { AssistantWithParts, OpenCodeClient } from "../../OpenCodeClient.ts"
import { childSessionId, usageOf } from "../../Turn.ts"
import { isAssistant } from "../../TurnRecord.ts"
import type { TurnUsage } from "../../TurnEvent.ts"

/** Messages read at once. */
const pageSize = 20

interface Call {
  readonly sessionId: string
  /** Epoch ms. A later call may go on with the same session. */
  readonly start: number
  readonly end: number
}

const callsOf = (messages: ReadonlyArray<AssistantWithParts>): ReadonlyArray<Call> =>
  messages.flatMap(({ parts }) =>
    parts.flatMap((part) => {
      const sessionId = part.type === "tool" ? childSessionId(part) : undefined
      if (part.type !== "tool" || sessionId === undefined || part.state.status === "pending") return []
      const { time } = part.state
      return [{ sessionId, start: time.start, end: "end" in time ? time.end : Number.POSITIVE_INFINITY }]
    })
  )

/** Pages back from the newest message to the start of the call. */
const messagesOf = Effect.fnUntraced(function* (client: OpenCodeClient, { end, sessionId, start }: Call) {
  const found: Array<AssistantWithParts> = []
  let before: string | undefined
  do {
    const page = yield* client.messages.list(sessionId, { limit: pageSize, before })
    found.push(...page.messages.filter(isAssistant))
    const [oldest] = page.messages
    before = oldest === undefined || oldest.info.time.created < start ? undefined : page.before
  } while (before !== undefined)
  return found.filter(({ info }) => info.time.created >= start && info.time.created <= end)
})

/** The messages of the sub-agents that a turn started, of any depth. A session that was deleted has none. */
export const agentMessages = (
  client: OpenCodeClient,
  messages: ReadonlyArray<AssistantWithParts>
): Effect.Effect<ReadonlyArray<AssistantWithParts>, HostError> =>
  Effect.map(
    Effect.forEach(callsOf(messages), (call) =>
      messagesOf(client, call).pipe(
        Effect.catchReason("HostError", "NotFound", () => Effect.succeed<ReadonlyArray<AssistantWithParts>>([])),
        Effect.flatMap((own) => Effect.map(agentMessages(client, own), (deeper) => [...own, ...deeper]))
      )
    ),
    (all) => all.flat()
  )

/**
 * The use of a turn with that of its sub-agents; `context` is that of the turn itself. Without calls of sub-agents it costs
 * nothing. Without theirs if they cannot be read.
 */
export const usageWithAgents = (
  client: OpenCodeClient,
  messages: ReadonlyArray<AssistantWithParts>
): Effect.Effect<TurnUsage> =>
  agentMessages(client, messages).pipe(
    Effect.catch((error) => Effect.as(Effect.logDebug(error.message), [])),
    Effect.map((agents) => ({ ...usageOf([...messages, ...agents]), context: usageOf(messages).context }))
  )
