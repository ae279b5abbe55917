/** The live text of one turn in a `DeltaWriter`. */
import type * as Deferred from "effect/Deferred"
import type { ConvexSyncError } from "../ConvexSyncError.ts"
import * as DeltaBuffer from "../DeltaBuffer.ts"

export interface DeltaEntry {
  buffer: DeltaBuffer.Buffer
  /** Its text is part of the write in flight. */
  writing: boolean
  /** A client watches, according to the last write or the subscription; undefined before the first of them. */
  watched: boolean | undefined
  /** Volatile segments, which wait for a client that watches. Not part of the text that waits to be written. */
  held: DeltaBuffer.Buffer
  /** It found no room, and gets no more live text. */
  overflowed: boolean
  /** Callers of `flush`. While there are any, the text is due at once. */
  flushes: Array<Deferred.Deferred<void, ConvexSyncError>>
}

export const newEntry = (seq: number): DeltaEntry => ({
  buffer: { ...DeltaBuffer.empty, seq },
  writing: false,
  watched: undefined,
  held: DeltaBuffer.empty,
  overflowed: false,
  flushes: []
})
