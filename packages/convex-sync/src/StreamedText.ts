/**
 * What watchers were shown of a turn that has not ended. It outlives a crash of OpenCode, which does not store text that is
 * still streaming.
 *
 * @since 0.1.0
 */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import type { FunctionReturnType } from "convex/server"
import { Effect, Option, Stream } from "effect"
import { api } from "./Backend.ts"
import { Lease } from "./Lease.ts"

/**
 * The text of one of OpenCode's parts.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamedPart {
  readonly partId: string
  readonly kind: "text" | "reasoning"
  readonly text: string
}

type Delta = FunctionReturnType<typeof backendApi.queue.streamed>[number]

const joined = (deltas: ReadonlyArray<Delta>): ReadonlyArray<StreamedPart> => {
  const parts = new Map<string, StreamedPart>()
  for (const { kind, partId, text } of deltas.flatMap(({ segments }) => segments)) {
    if (kind === "text" || kind === "reasoning")
      parts.set(partId, { partId, kind, text: (parts.get(partId)?.text ?? "") + text })
  }
  return Array.from(parts.values())
}

/**
 * The text as far as it is written, in the order in which its parts began.
 *
 * @category operations
 * @since 0.1.0
 */
export const read = Effect.fn("StreamedText.read")(function* (turnId: Id<"turns">) {
  const lease = yield* Lease
  const deltas = Stream.paginate(0, (after: number) =>
    lease
      .query(api.queue.streamed, { turnId, after })
      .pipe(Effect.map((page) => [page, Option.fromUndefinedOr(page.at(-1)?.seq)] as const))
  )
  return joined(yield* Stream.runCollect(deltas))
})
