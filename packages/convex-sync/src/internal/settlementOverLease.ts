/** What settlement needs of a deployment, under the lease of this process. */
import { MAX_PAGE } from "@opencode-worker/convex-backend/limits"
import { Effect } from "effect"
import { api } from "../Backend.ts"
import type { DeltaWriter } from "../DeltaWriter.ts"
import { Lease } from "../Lease.ts"
import type { SettlementStore } from "../Settlement.ts"
import * as StreamedText from "../StreamedText.ts"
import * as TurnResult from "../TurnResult.ts"

export const settlementOverLease = Effect.gen(function* () {
  const lease = yield* Lease
  const context = yield* Effect.context<DeltaWriter | Lease>()
  return {
    unsettled: (running) => lease.query(api.queue.unsettled, { limit: MAX_PAGE, running: [...running] }),
    streamed: (turnId) => Effect.provideContext(StreamedText.read(turnId), context),
    requeue: (turnId, messageId) =>
      lease.mutation(api.queue.requeue, { turnId, ...(messageId !== null && { messageId }) }),
    finish: (turnId, result) => Effect.provideContext(TurnResult.finish(turnId, result), context)
  } satisfies SettlementStore
})
