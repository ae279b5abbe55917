/** A turn that this process attends to. The scheduler's map of these is the only registry of turns. */
import * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { ReadyTurn } from "../../TurnStore.ts"
import type { Place } from "./Place.ts"
import type { TurnRequests } from "./requests.ts"

/**
 * ```
 *   waiting ─▶ claimed ─▶ delivered ─▶ lending ─▶ (removed, or waiting again while the deployment shows the turn)
 *      │                                  └ it has ended, and prompts that steered it still use its place
 *      └─▶ withdrawn: the worker was paused. The turn stays queued.
 * ```
 */
type Phase = "waiting" | "withdrawn" | "claimed" | "delivered" | "lending"

export interface TurnHandle {
  readonly turn: ReadyTurn
  /** When this process saw the turn, in milliseconds since 1970. */
  readonly shownAt: number
  phase: Phase
  /** An earlier process has delivered it. */
  readonly adopted: boolean
  /** An operator requested an abort. */
  aborted: boolean
  /** Done when a turn that is not delivered must stop. */
  readonly cancelled: Deferred.Deferred<void>
  /** Done when the turn no longer runs. A new one for each claim. */
  ended: Deferred.Deferred<void>
  /** Of a turn that is claimed. */
  place?: Place
  readonly requests: TurnRequests
  /** It was interrupted while a request waited for an answer. */
  wasAsking: boolean
  fiber?: Fiber.Fiber<void>
}

/** An adopted turn is claimed from the start: recovery leaves it alone. */
export const makeHandle = (turn: ReadyTurn, shownAt: number, adopted = false): TurnHandle => ({
  turn,
  shownAt,
  phase: adopted ? "claimed" : "waiting",
  adopted,
  aborted: false,
  cancelled: Deferred.makeUnsafe(),
  ended: Deferred.makeUnsafe(),
  requests: new Map(),
  wasAsking: false
})

/** The turn is claimed by this process, or is about to be: recovery leaves it alone. */
export const isRunning = ({ phase }: TurnHandle): boolean => phase === "claimed" || phase === "delivered"

export const whenEnded = ({ ended }: TurnHandle): Effect.Effect<void> => Deferred.await(ended)
