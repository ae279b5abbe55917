/** Aborts the turn of a session, and waits until the session is idle. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { HostError } from "../../HostError.ts"
import { Timeout } from "../../HostErrorReason.ts"
import type { OpenCodeClient } from "../../OpenCodeClient.ts"
import { isBusy } from "./record.ts"
import { clearZombies } from "./requests.ts"
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
  // A turn of this process clears its requests itself.
  if (turn !== undefined) return
  // The session has stopped, whether or not its requests could be cleared.
  yield* clearZombies(client, sessionId).pipe(Effect.catch((error) => Effect.logDebug(error.message)))
})
