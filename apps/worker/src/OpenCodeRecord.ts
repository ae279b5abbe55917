/**
 * What OpenCode has of a prompt that nobody waits for any more: opencode-host in the terms of convex-sync's settlement.
 *
 * @since 0.1.0
 */
import type { PromptRecord, SettlementSource } from "@opencode-worker/convex-sync"
import { answeredBy, classifyTurn, OpenCodeHost, recordedTurn, usageOf } from "@opencode-worker/opencode-host"
import { Effect } from "effect"
import { finalParts } from "./FinalParts.ts"

const find = Effect.fn("OpenCodeRecord.find")(function* (sessionId: string, promptId: string) {
  const { abort, client } = yield* OpenCodeHost
  // A message without parts is one that OpenCode was killed at: it is not there whole, and was not begun.
  const isThere = yield* client.messages.get(sessionId, promptId).pipe(
    Effect.map(({ parts }) => parts.length > 0),
    Effect.catchReason("HostError", "NotFound", () => Effect.succeed(false))
  )
  const isAtWork = isThere && (yield* client.sessions.status)[sessionId] !== undefined
  if (isAtWork) yield* abort(sessionId)
  const turn = isThere ? yield* recordedTurn(client, { sessionId, messageId: promptId }) : undefined
  const assistants = turn?.messages ?? []
  const state = classifyTurn(assistants, { sessionBusy: false })
  return {
    state: isThere ? (state._tag === "Ended" ? state : { _tag: "Unfinished" }) : { _tag: "Absent" },
    usage: usageOf(assistants),
    answeredBy: answeredBy(assistants),
    parts: (streamed) =>
      finalParts(assistants, { streamed, completed: state._tag === "Ended" && state.outcome === "completed" })
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
