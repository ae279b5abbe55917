/** The end of a turn, as a deployment stores it. */
import type { api as backendApi } from "@opencode-worker/convex-backend/api"
import { MAX_MESSAGE, MAX_NAME } from "@opencode-worker/convex-backend/limits"
import type { FunctionArgs } from "convex/server"
import { truncateParts } from "./internal/turns/truncateParts.ts"

type Finish = FunctionArgs<typeof backendApi.queue.finish>

/**
 * `index`: its place in the turn. `kind`: `text`, `reasoning`, `tool` or another one of the agent, or `notice`. `payload`:
 * JSON of any length, the agent's own part, or `{ text }` for a notice. A `url` in it that is a `data:` URL is stored as a file.
 */
export type FinalPart = Readonly<Finish["parts"][number]>

/** Text that was streamed of one part of a turn that has not ended. It outlives a crash of the agent. */
export interface StreamedPart {
  readonly partId: string
  readonly kind: "text" | "reasoning"
  readonly text: string
}

export interface TurnResult {
  readonly outcome: Finish["outcome"]
  /** Of any length: a provider's reply may be a whole page. */
  readonly error?: { readonly name: string; readonly message: string } | undefined
  readonly usage?: Finish["usage"]
  /** `model` is `provider/model`. Absent: there is no answer. */
  readonly answeredBy?: Finish["answeredBy"]
  /** Tokens of the last step, and the size of its model's context, if it is known. */
  readonly context?: Finish["context"]
  /** The parts report that the agent had lost the session. */
  readonly announcesLoss?: boolean | undefined
  /** The files that the turn changed, within the limits of the backend. Absent: none. */
  readonly changes?: Finish["changes"]
  readonly parts: ReadonlyArray<FinalPart>
}

type Signature = Pick<Finish, "workerId" | "secret" | "epoch">

/**
 * The result within the limits of the backend. A huge turn loses the ends of its tools' output first and its answer last, and
 * has a notice of that; an error loses its end.
 */
export const truncateToLimits = ({
  answeredBy,
  changes,
  context,
  error,
  outcome,
  parts,
  usage
}: TurnResult): Omit<Finish, keyof Signature | "turnId" | "announcesLoss" | "files"> => ({
  outcome,
  parts: [...truncateParts(parts)],
  ...(error !== undefined && {
    error: {
      name: error.name.slice(0, MAX_NAME).toWellFormed() || "Error",
      message: error.message.slice(0, MAX_MESSAGE).toWellFormed()
    }
  }),
  ...(usage !== undefined && { usage }),
  ...(answeredBy !== undefined && { answeredBy }),
  ...(context !== undefined && { context }),
  ...(changes !== undefined && { changes })
})
