/** OpenCode's record of a prompt, for recovery. */
import type { AgentError, PromptRecord, PromptRef } from "@opencode-worker/convex-sync"
import {
  answeredBy,
  classifyTurn,
  isAsking,
  OpenCodeHost,
  recordedTurn,
  usageWithAgents
} from "@opencode-worker/opencode-host"
import { Effect } from "effect"
import { toAgentError } from "./errors.ts"
import { turnChanges } from "./changes.ts"
import { finalParts } from "./finalParts.ts"

/** The session is at work on a later prompt, which must not be stopped: one that steered this turn, or a person's. */
const isOver = (turn: Effect.Success<ReturnType<typeof recordedTurn>>): boolean => {
  if (turn === undefined || turn.isNewest) return false
  const state = classifyTurn(turn.messages, { sessionBusy: false, takenOver: turn.takenOver })
  return state._tag === "Ended" && (state.outcome === "completed" || state.outcome === "failed")
}

const read = Effect.fn("OpenCode.record")(function* ({
  agentSessionId: sessionId,
  leavesAsking = false,
  messageId
}: PromptRef) {
  const { abort, client } = yield* OpenCodeHost
  // OpenCode was killed while it stored a message without parts, so the prompt did not run.
  const isStored = yield* client.messages.get(sessionId, messageId).pipe(
    Effect.map(({ parts }) => parts.length > 0),
    Effect.catchReason("HostError", "NotFound", () => Effect.succeed(false))
  )
  const isBusy = isStored && (yield* client.sessions.status)[sessionId] !== undefined
  const found = isStored ? yield* recordedTurn(client, { sessionId, messageId }) : undefined
  const isAtWork = isBusy && !isOver(found)
  const asks = isAtWork && leavesAsking && found?.isNewest === true && (yield* isAsking(client, sessionId))
  if (isAtWork && !asks) yield* abort(sessionId)
  const turn = isAtWork && !asks ? yield* recordedTurn(client, { sessionId, messageId }) : found
  const { messages, takenOver } = turn ?? { messages: [], takenOver: false }
  const state = classifyTurn(messages, { sessionBusy: false, takenOver })
  return {
    state: asks
      ? { _tag: "Asking" }
      : isStored
        ? state._tag === "Ended"
          ? state
          : { _tag: "Unfinished" }
        : { _tag: "Absent" },
    usage: yield* usageWithAgents(client, messages),
    answeredBy: answeredBy(messages),
    changes: yield* turnChanges({ sessionId, messageId }, messages),
    parts: (streamed) =>
      finalParts(messages, { streamed, completed: state._tag === "Ended" && state.outcome === "completed", takenOver })
  } satisfies PromptRecord
})

export const openCodeRecord = (prompt: PromptRef): Effect.Effect<PromptRecord, AgentError, OpenCodeHost> =>
  Effect.mapError(read(prompt), toAgentError)
