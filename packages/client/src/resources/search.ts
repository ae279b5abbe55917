import { api, type SearchKind, type SearchResult, type SessionId, type WorkerId } from "../api.ts"
import type { CallOptions, Calls } from "../internal/calls.ts"

export interface SearchOptions extends CallOptions {
  /** Turns that are found by this part of them: their prompt, their answer, or a title or path of a tool call. */
  readonly kind?: SearchKind
  /** Turns of this worker only. */
  readonly workerId?: WorkerId
  /** Turns of this session only. */
  readonly sessionId?: SessionId
}

export const makeSearch =
  ({ query }: Calls) =>
  /**
   * The turns whose prompt, answer, or titles and paths of tool calls contain words of `text` (1 to 200 characters), the best
   * match first, at most 50, each once. The last word is also found as the start of a longer one.
   */
  (text: string, { signal, ...within }: SearchOptions = {}): Promise<ReadonlyArray<SearchResult>> =>
    query(api.search.find, { text, ...within }, signal === undefined ? {} : { signal })
