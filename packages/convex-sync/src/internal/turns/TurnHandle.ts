/** A turn that this process attends to. The scheduler's map of these is the only registry of turns. */
import { Deferred, type Effect, type Fiber } from "effect"
import type { AgentSession } from "../../Agent.ts"
import type { ReadyTurn } from "../../TurnStore.ts"
import type { TurnRequests } from "./requests.ts"

/**
 * ```
 *   waiting ─▶ claimed ─▶ delivered ─▶ (removed, or waiting again while the deployment shows the turn)
 *      └─▶ withdrawn: the worker was paused. The turn stays queued.
 * ```
 */
type Phase = "waiting" | "withdrawn" | "claimed" | "delivered"

export interface TurnHandle {
  readonly turn: ReadyTurn
  phase: Phase
  /** An operator requested an abort. */
  aborted: boolean
  /** Done when a turn that is not delivered must stop. */
  readonly cancelled: Deferred.Deferred<void>
  /** Done when the turn no longer runs. A new one for each claim. */
  ended: Deferred.Deferred<void>
  /** Of a turn that is claimed. */
  session?: AgentSession
  readonly requests: TurnRequests
  fiber?: Fiber.Fiber<void>
}

export const makeHandle = (turn: ReadyTurn): TurnHandle => ({
  turn,
  phase: "waiting",
  aborted: false,
  cancelled: Deferred.makeUnsafe(),
  ended: Deferred.makeUnsafe(),
  requests: new Map()
})

/** The turn is claimed by this process, or is about to be: recovery leaves it alone. */
export const isRunning = ({ phase }: TurnHandle): boolean => phase === "claimed" || phase === "delivered"

export const whenEnded = ({ ended }: TurnHandle): Effect.Effect<void> => Deferred.await(ended)
