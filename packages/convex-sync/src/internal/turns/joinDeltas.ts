/** Joins streamed text part by part. Pure. */
import type { Segment } from "../../DeltaBuffer.ts"
import type { StreamedPart } from "../../TurnResult.ts"

/** The parts in the order in which they began. Tools and notices are not kept: final parts replace them. */
export const joinDeltas = (
  deltas: ReadonlyArray<{ readonly segments: ReadonlyArray<Segment> }>
): ReadonlyArray<StreamedPart> => {
  const parts = new Map<string, StreamedPart>()
  for (const { kind, partId, text } of deltas.flatMap(({ segments }) => segments)) {
    if (kind === "text" || kind === "reasoning")
      parts.set(partId, { partId, kind, text: (parts.get(partId)?.text ?? "") + text })
  }
  return Array.from(parts.values())
}
