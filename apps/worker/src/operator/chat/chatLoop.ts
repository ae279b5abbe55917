/** A chat in one session after another, until the person leaves. */
import type { SessionId, TurnId } from "@opencode-worker/client"
import { Effect } from "effect"
import { showHistory } from "../../terminal/SessionTranscript.ts"
import { type ChatOptions, converse } from "./converse.ts"

/** `sessionId`: the first session, or undefined for a new one. Returns the last one. */
export const chatLoop = Effect.fnUntraced(function* (
  options: Omit<ChatOptions, "shown"> & { readonly sessionId: SessionId | undefined }
) {
  let { sessionId, workerId } = options
  let { opening } = options
  while (true) {
    const shown = sessionId === undefined ? new Set<TurnId>() : yield* showHistory(sessionId, options.page)
    const ended = yield* converse({ ...options, workerId, sessionId, shown, opening })
    const { next } = ended
    if (next.to === "exit") return ended
    opening = []
    sessionId = next.to === "session" ? next.session.sessionId : undefined
    if (next.to === "session") workerId = next.session.workerId
  }
})
