/** A turn's place in the agent, which prompts that steer the turn share. It is free when none of them uses it. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { AgentSession } from "../../Agent.ts"

export interface Place {
  readonly session: AgentSession
  users: number
  readonly free: Deferred.Deferred<void>
}

export const makePlace = (session: AgentSession): Place => ({ session, users: 0, free: Deferred.makeUnsafe() })

/** Runs as a user of the place. */
export const useIn = <A, E, R>(place: Place, run: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      place.users += 1
    }),
    () => run,
    () =>
      Effect.suspend(() => {
        place.users -= 1
        return place.users === 0 ? Deferred.succeed(place.free, undefined) : Effect.void
      })
  )
