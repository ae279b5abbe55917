/**
 * How a turn ended, as a deployment keeps it.
 *
 * @since 0.1.0
 */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import { MAX_MESSAGE, MAX_NAME } from "@opencode-worker/convex-backend/limits"
import type { FunctionArgs } from "convex/server"
import { Effect } from "effect"
import { api } from "./Backend.ts"
import { DeltaWriter } from "./DeltaWriter.ts"
import { bounded } from "./internal/bounded.ts"
import { Lease } from "./Lease.ts"

type Finish = FunctionArgs<typeof backendApi.queue.finish>

/**
 * `index`: its place in the turn. `kind`: `text`, `reasoning`, `tool` or another of OpenCode's, or `notice`. `payload`:
 * JSON of any length, OpenCode's own part, or `{ text }` for a notice.
 *
 * @category models
 * @since 0.1.0
 */
export type FinalPart = Readonly<Finish["parts"][number]>

/**
 * @category models
 * @since 0.1.0
 */
export interface TurnResult {
  readonly outcome: Finish["outcome"]
  /** Of any length: a provider's reply may be a whole page. */
  readonly error?: { readonly name: string; readonly message: string } | undefined
  readonly usage?: Finish["usage"]
  /** Who answered: `model` is `provider/model`. Absent: there is no answer. */
  readonly answeredBy?: Finish["answeredBy"]
  /** The parts tell the reader that OpenCode had lost the session. */
  readonly announcesLoss?: boolean
  readonly parts: ReadonlyArray<FinalPart>
}

/**
 * The result as the backend takes it: a huge turn loses the ends of what its tools said first and its answer last, and says
 * so in a notice; an error loses its end.
 *
 * @category combinators
 * @since 0.1.0
 */
export const fitting = ({
  answeredBy,
  error,
  outcome,
  parts,
  usage
}: TurnResult): Omit<Finish, keyof Signature | "turnId" | "announcesLoss"> => ({
  outcome,
  parts: [...bounded(parts)],
  ...(error !== undefined && {
    error: {
      name: error.name.slice(0, MAX_NAME).toWellFormed() || "Error",
      message: error.message.slice(0, MAX_MESSAGE).toWellFormed()
    }
  }),
  ...(usage !== undefined && { usage }),
  ...(answeredBy !== undefined && { answeredBy })
})
type Signature = Pick<Finish, "workerId" | "secret" | "epoch">

/**
 * Final parts in, streamed text out, in one transaction; what of the text still waits for its writing is let go. Repeating
 * it changes nothing.
 *
 * @category operations
 * @since 0.1.0
 */
export const finish = Effect.fn("TurnResult.finish")(function* (turnId: Id<"turns">, result: TurnResult) {
  const lease = yield* Lease
  const deltas = yield* DeltaWriter
  yield* deltas.supersede(turnId)
  yield* lease.mutation(api.queue.finish, {
    turnId,
    ...fitting(result),
    ...(result.announcesLoss === true && { announcesLoss: true })
  })
})
