/** The turns that run in this process, by session: the oldest first, then the prompts that steer it. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { HostError } from "../../HostError.ts"
import { Busy } from "../../HostErrorReason.ts"

export interface RunningTurn {
  /** Only then is an ambiguous ending an abort. */
  abortRequested: boolean
  /** It began while another turn of this process ran in the session. */
  readonly steers: boolean
  /** Done when no older turn of the session runs here. */
  readonly isOldest: Deferred.Deferred<void>
}

export type RunningTurns = Map<string, ReadonlyArray<RunningTurn>>

export const turnsIn = (turns: RunningTurns, sessionId: string): ReadonlyArray<RunningTurn> =>
  turns.get(sessionId) ?? []

const leave = (turns: RunningTurns, sessionId: string, turn: RunningTurn) =>
  Effect.suspend(() => {
    const rest = turnsIn(turns, sessionId).filter((other) => other !== turn)
    const [oldest] = rest
    if (oldest === undefined) {
      turns.delete(sessionId)
      return Effect.void
    }
    turns.set(sessionId, rest)
    return Deferred.succeed(oldest.isOldest, undefined)
  })

/** Registers a turn for as long as the scope. Fails with `Busy` if another one runs and this one does not steer it. */
export const register = (
  turns: RunningTurns,
  sessionId: string,
  steer: boolean
): Effect.Effect<RunningTurn, HostError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const others = turnsIn(turns, sessionId)
      if (others.length > 0 && !steer) return Effect.fail(new HostError({ reason: new Busy({ sessionId }) }))
      const turn: RunningTurn = {
        abortRequested: false,
        steers: others.length > 0,
        isOldest: Deferred.makeUnsafe()
      }
      turns.set(sessionId, [...others, turn])
      return others.length > 0 ? Effect.succeed(turn) : Effect.as(Deferred.succeed(turn.isOldest, undefined), turn)
    }),
    (turn) => leave(turns, sessionId, turn)
  )
