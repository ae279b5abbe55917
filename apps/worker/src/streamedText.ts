/**
 * What watchers were shown of a turn. It outlives a crash of OpenCode, which does not store text that is still streaming.
 *
 * @since 0.1.0
 */
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { Lease } from "@opencode-worker/convex-sync"
import type { FunctionReturnType } from "convex/server"
import { Effect, Option, Stream } from "effect"
import type { Streamed } from "./FinalParts.ts"

type Delta = FunctionReturnType<typeof api.queue.streamed>[number]

/** The text of each part, in the order in which the parts began. */
const joined = (deltas: ReadonlyArray<Delta>): ReadonlyArray<Streamed> => {
  const parts = new Map<string, Streamed>()
  for (const { kind, partId, text } of deltas.flatMap(({ segments }) => segments)) {
    if (kind !== "tool") parts.set(partId, { partId, kind, text: (parts.get(partId)?.text ?? "") + text })
  }
  return Array.from(parts.values())
}

/**
 * The streamed text of an unfinished turn, as far as it is written.
 *
 * @category operations
 * @since 0.1.0
 */
export const streamedText = Effect.fnUntraced(function* (turnId: Id<"turns">) {
  const lease = yield* Lease
  const deltas = Stream.paginate(0, (after: number) =>
    lease
      .query(api.queue.streamed, { turnId, after })
      .pipe(Effect.map((page) => [page, Option.fromUndefinedOr(page.at(-1)?.seq)] as const))
  )
  return joined(yield* Stream.runCollect(deltas))
})
