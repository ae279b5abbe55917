/** How a turn becomes one of this process. Both ways return its prompt, or null if it cannot be had. */
import type { Id } from "@opencode-worker/convex-backend/api"
import * as Effect from "effect/Effect"
import type { Agent } from "../../Agent.ts"
import type { DeltaWriter } from "../../DeltaWriter.ts"
import type { TurnStore } from "../../TurnStore.ts"
import { countClaim } from "../metrics.ts"
import type { TurnHandle } from "./TurnHandle.ts"

/** `recoverLater`: asks for the recovery of unfinished turns. */
export const makeClaims = (
  agent: Agent["Service"],
  store: TurnStore,
  deltas: DeltaWriter["Service"],
  recoverLater: Effect.Effect<unknown>
) => ({
  /** Claims a queued turn, with the ids that its prompt will have in the agent. */
  claim: ({ shownAt, turn: { turnId } }: TurnHandle) =>
    Effect.flatMap(agent.promptIds, (ids) =>
      Effect.flatMap(store.claim(turnId, ids), (prompt) =>
        prompt === null ? Effect.succeed(null) : Effect.as(countClaim(shownAt), { ...ids, ...prompt })
      )
    ),

  /** Takes a turn over that waits for an answer. One that cannot be, such as an aborted one, is recovered as any other. */
  takeOver: (turnId: Id<"turns">) =>
    Effect.flatMap(store.adopt(turnId), (prompt) =>
      prompt === null ? Effect.as(recoverLater, null) : Effect.as(deltas.resume(turnId, prompt.seq), prompt)
    )
})
