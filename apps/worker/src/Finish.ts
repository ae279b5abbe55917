/**
 * The end of a turn in the deployment.
 *
 * @since 0.1.0
 */
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { DeltaWriter, Lease } from "@opencode-worker/convex-sync"
import type { TurnOutcome, TurnUsage } from "@opencode-worker/opencode-host"
import { Effect } from "effect"
import { bounded, type FinalPart } from "./FinalParts.ts"

export interface Outcome {
  readonly outcome: TurnOutcome
  readonly error?: { readonly name: string; readonly message: string } | undefined
  readonly usage?: TurnUsage | undefined
  readonly parts: ReadonlyArray<FinalPart>
}

/** Of what the deployment takes: a provider's reply may be a whole page. */
const [maxName, maxMessage] = [500, 4_000]

/** An error that the deployment takes. */
export const shortError = ({ message, name }: { readonly name: string; readonly message: string }) => ({
  name: name.slice(0, maxName).toWellFormed() || "Error",
  message: message.slice(0, maxMessage).toWellFormed()
})

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
  yield* deltas.supersede(turnId)
  yield* lease.mutation(api.queue.finish, {
    turnId,
    outcome,
    parts: [...bounded(parts)],
    ...(error !== undefined && { error: shortError(error) }),
    ...(usage !== undefined && { usage })
  })
})

/** A turn that could not be carried through, for a reason that its operator can read. */
export const fail = (turnId: Id<"turns">, name: string, message: string) =>
  finish(turnId, { outcome: "failed", error: { name, message }, parts: [] })
