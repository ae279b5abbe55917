/** OpenCode's record of a prompt, for recovery. */
import type { AgentError, PromptRecord, PromptRef } from "@opencode-worker/convex-sync"
import { answeredBy, classifyTurn, OpenCodeHost, recordedTurn, usageOf } from "@opencode-worker/opencode-host"
import { Effect } from "effect"
import { toAgentError } from "./errors.ts"
import { turnChanges } from "./changes.ts"
import { finalParts } from "./finalParts.ts"

const read = Effect.fn("OpenCode.record")(function* ({ agentSessionId: sessionId, messageId }: PromptRef) {
  const { abort, client } = yield* OpenCodeHost
  // OpenCode was killed while it stored a message without parts, so the prompt did not run.
  const isStored = yield* client.messages.get(sessionId, messageId).pipe(
    Effect.map(({ parts }) => parts.length > 0),
    Effect.catchReason("HostError", "NotFound", () => Effect.succeed(false))
  )
  const isBusy = isStored && (yield* client.sessions.status)[sessionId] !== undefined
  if (isBusy) yield* abort(sessionId)
  const turn = isStored ? yield* recordedTurn(client, { sessionId, messageId }) : undefined
  const { messages, takenOver } = turn ?? { messages: [], takenOver: false }
  const state = classifyTurn(messages, { sessionBusy: false, takenOver })
  return {
    state: isStored ? (state._tag === "Ended" ? state : { _tag: "Unfinished" }) : { _tag: "Absent" },
    usage: usageOf(messages),
    answeredBy: answeredBy(messages),
    changes: yield* turnChanges({ sessionId, messageId }, messages),
    parts: (streamed) =>
      finalParts(messages, { streamed, completed: state._tag === "Ended" && state.outcome === "completed", takenOver })
  } satisfies PromptRecord
})

export const openCodeRecord = (prompt: PromptRef): Effect.Effect<PromptRecord, AgentError, OpenCodeHost> =>
  Effect.mapError(read(prompt), toAgentError)
