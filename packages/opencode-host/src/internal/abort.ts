/** Aborts what a session runs, until it really does not run any more. */
import { Clock, Effect } from "effect"
import { HostError, Timeout } from "../HostError.ts"
import type { OpenCodeClient } from "../OpenCodeClient.ts"
import { isBusy } from "./record.ts"
import type { RunningTurn } from "./turn.ts"

const limitMillis = 10_000
/** A prompt that was just sent becomes busy within this time, on a loading server too; before, an abort has no effect. */
const busyWithinMillis = 3_000

export const abortSession = Effect.fn("OpenCodeHost.abort")(function* (
  client: OpenCodeClient,
  turns: ReadonlyMap<string, RunningTurn>,
  sessionId: string
) {
  const turn = turns.get(sessionId)
  if (turn !== undefined) turn.abortRequested = true
  const since = yield* Clock.currentTimeMillis
  let wasBusy = false
  // Never the turn after the one that was meant.
  while (turns.get(sessionId) === turn) {
    const elapsed = (yield* Clock.currentTimeMillis) - since
    if (elapsed > limitMillis) {
      return yield* new HostError({ reason: new Timeout({ operation: "abort", millis: limitMillis }) })
    }
    if (yield* isBusy(client, sessionId)) {
      wasBusy = true
      yield* client.abort(sessionId)
    } else if (wasBusy || turn === undefined || elapsed > busyWithinMillis) {
      break
    }
    yield* Effect.sleep("50 millis")
  }
  // What cannot be cleared stays on a list; the session has stopped all the same.
  yield* clearRequests(client, sessionId).pipe(Effect.catch((error) => Effect.logDebug(error.message)))
})

/**
 * An aborted request stays listed for ever, and rejecting it would reject the live ones of its session too. Once its
 * session is idle, "once" takes it off the list and runs nothing.
 */
const clearRequests = Effect.fnUntraced(function* (client: OpenCodeClient, sessionId: string) {
  const family = new Set([sessionId, ...(yield* client.sessions.children(sessionId)).map(({ id }) => id)])
  const left = (yield* client.permissions.list).filter((request) => family.has(request.sessionID))
  for (const request of left) {
    if (yield* isBusy(client, request.sessionID)) continue
    yield* Effect.catchReason(client.permissions.reply(request.id, "once"), "HostError", "NotFound", () => Effect.void)
  }
})
