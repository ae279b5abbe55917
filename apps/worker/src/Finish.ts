/**
 * The end of a turn in the deployment.
 *
 * @since 0.1.0
 */
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { DeltaWriter, isTransient, Lease } from "@opencode-worker/convex-sync"
import type { TurnOutcome, TurnUsage } from "@opencode-worker/opencode-host"
import { Effect, Schedule } from "effect"
import type { FinalPart } from "./FinalParts.ts"

export interface Outcome {
  readonly outcome: TurnOutcome
  readonly error?: { readonly name: string; readonly message: string } | undefined
  readonly usage?: TurnUsage | undefined
  readonly parts: ReadonlyArray<FinalPart>
}

/** A result is never given up while this process lives: the deployment takes it when it is back. */
const untilReachable = Schedule.spaced("1 second")

/**
 * Final parts in, streamed text out, in one transaction. Repeating it changes nothing.
 *
 * @category operations
 * @since 0.1.0
 */
export const finish = Effect.fn("Turn.finish")(function* (turnId: Id<"turns">, result: Outcome) {
  const { error, outcome, parts, usage } = result
  const lease = yield* Lease
  const deltas = yield* DeltaWriter
  yield* deltas.end(turnId)
  const tell = lease.mutation(api.queue.finish, {
    turnId,
    outcome,
    parts: [...parts],
    ...(error !== undefined && { error: { name: error.name, message: error.message } }),
    ...(usage !== undefined && { usage })
  })
  yield* Effect.retry(tell, { schedule: untilReachable, while: isTransient })
})

/** A turn that could not be carried through, for a reason that its operator can read. */
export const fail = (turnId: Id<"turns">, name: string, message: string) =>
  finish(turnId, { outcome: "failed", error: { name, message }, parts: [] })
