/** Aborts the turn of a session, and waits until the session is idle. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { HostError } from "../../HostError.ts"
import { Timeout } from "../../HostErrorReason.ts"
import type { OpenCodeClient } from "../../OpenCodeClient.ts"
import { isBusy } from "./record.ts"
import { clearZombies } from "./requests.ts"
import { type RunningTurns, turnsIn } from "./runningTurns.ts"

const limitMillis = 10_000
/** A prompt that was just sent becomes busy within this time, on a loading server too; before, an abort has no effect. */
const busyWithinMillis = 3_000

export const abortSession = Effect.fn("OpenCodeHost.abort")(function* (
  client: OpenCodeClient,
  turns: RunningTurns,
  sessionId: string
) {
  // OpenCode stops a session: a turn, and the prompts that steer it.
  const meant = turnsIn(turns, sessionId)
  for (const turn of meant) turn.abortRequested = true
  const since = yield* Clock.currentTimeMillis
  let wasBusy = false
  // Never a turn after those that were meant.
  const isLeft = () => meant.length === 0 || turnsIn(turns, sessionId).some((turn) => meant.includes(turn))
  while (isLeft()) {
    const elapsed = (yield* Clock.currentTimeMillis) - since
    if (elapsed > limitMillis) {
      return yield* new HostError({ reason: new Timeout({ operation: "abort", millis: limitMillis }) })
    }
    if (yield* isBusy(client, sessionId)) {
      wasBusy = true
      yield* client.abort(sessionId)
    } else if (wasBusy || meant.length === 0 || elapsed > busyWithinMillis) {
      break
    }
    yield* Effect.sleep("50 millis")
  }
  // A turn of this process clears its requests itself.
  if (meant.length > 0) return
  // The session has stopped, whether or not its requests could be cleared.
  yield* clearZombies(client, sessionId).pipe(Effect.catch((error) => Effect.logDebug(error.message)))
})
