/**
 * What OpenCode has of a prompt that nobody waits for any more: opencode-host in the terms of convex-sync's settlement.
 *
 * @since 0.1.0
 */
import type { PromptRecord, SettlementSource } from "@opencode-worker/convex-sync"
import {
  type AssistantWithParts,
  classifyTurn,
  type MessageWithParts,
  OpenCodeHost,
  usageOf
} from "@opencode-worker/opencode-host"
import { Effect, Option, Stream } from "effect"
import { finalParts } from "./FinalParts.ts"

const answers = (message: MessageWithParts, promptId: string): message is AssistantWithParts =>
  message.info.role === "assistant" && message.info.parentID === promptId

/** The assistant's messages that answer the prompt, oldest first. */
const answersTo = Effect.fnUntraced(function* (sessionId: string, promptId: string) {
  const { client } = yield* OpenCodeHost
  const newestFirst = Stream.paginate(undefined as string | undefined, (before) =>
    client.messages
      .list(sessionId, { before })
      .pipe(Effect.map((page) => [page.messages.toReversed(), Option.fromUndefinedOr(page.before)] as const))
  )
  const since = yield* newestFirst.pipe(
    Stream.takeUntil(({ info }) => info.id === promptId),
    Stream.runCollect
  )
  return since.toReversed().filter((message) => answers(message, promptId))
})

const find = Effect.fn("OpenCodeRecord.find")(function* (sessionId: string, promptId: string) {
  const { abort, client } = yield* OpenCodeHost
  // A message without parts is one that OpenCode was killed at: it is not there whole, and was not begun.
  const isThere = yield* client.messages.get(sessionId, promptId).pipe(
    Effect.map(({ parts }) => parts.length > 0),
    Effect.catchReason("HostError", "NotFound", () => Effect.succeed(false))
  )
  const isAtWork = isThere && (yield* client.sessions.status)[sessionId] !== undefined
  if (isAtWork) yield* abort(sessionId)
  const assistants = isThere ? yield* answersTo(sessionId, promptId) : []
  const state = classifyTurn(assistants, { sessionBusy: false })
  return {
    state: isThere ? (state._tag === "Ended" ? state : { _tag: "Unfinished" }) : { _tag: "Absent" },
    usage: usageOf(assistants),
    parts: (streamed) => finalParts(assistants, { streamed })
  } satisfies PromptRecord
})

/**
 * The port over the hosted server.
 *
 * @category constructors
 * @since 0.1.0
 */
export const openCodeRecord = Effect.map(Effect.context<OpenCodeHost>(), (context): SettlementSource => ({
  find: ({ messageId, opencodeSessionId }) => Effect.provideContext(find(opencodeSessionId, messageId), context)
}))
