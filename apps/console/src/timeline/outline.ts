/** Reads a session backwards: turns and their outlines page by page, the last first. */
import type { Client, OutlineEntry, SessionId, Turn } from "@opencode-worker/client"
import type { TurnContent } from "./rows.ts"

/** Entries of one page of the deployment. */
const pageEntries = 100

/** The content with one more page of earlier entries. `outline`: the rest of the entries, the last first; null if there are none. */
export const withEarlier = async (
  content: TurnContent,
  outline: AsyncIterator<OutlineEntry> | null
): Promise<TurnContent> => {
  if (outline === null) return { ...content, isComplete: true }
  const earlier: Array<OutlineEntry> = []
  let isComplete = false
  while (earlier.length < pageEntries) {
    const { done, value } = await outline.next()
    if (done === true) {
      isComplete = true
      break
    }
    earlier.push(value)
  }
  const entries = [...earlier.toReversed(), ...content.entries]
  return { ...content, entries, isComplete: isComplete || entries.length >= content.turn.parts }
}

/** All turns of a session, the newest first: those that were watched, then pages, which have some of them again. */
export async function* newestFirst(
  { turns }: Client,
  sessionId: SessionId,
  watched: ReadonlyArray<Turn>,
  signal: AbortSignal
): AsyncGenerator<Turn, undefined> {
  yield* watched.toReversed()
  yield* turns.list(sessionId, { order: "desc", signal })
}
