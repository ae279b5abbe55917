/**
 * Decides until when the results of readers are current: a reader sees a snapshot, and commits go on meanwhile.
 *
 * The changed keys of all commits since the oldest running read are kept, so a result is compared with every commit after its
 * snapshot, those before its arrival included. From then on its read set is compared with each commit.
 */
import { ReadSets } from "../query/read-sets.ts"
import type { Commit, ReadRange } from "../values/calls.ts"

/** The most changed keys that are kept. */
const KEPT_CHANGES = 50_000

export class Validity {
  readonly #readSets = new ReadSets()
  /** The commits since the oldest running read. */
  #commits: Array<Pick<Commit, "changes" | "ts">> = []
  #kept = 0
  #reads = 0
  #epoch = 0
  #ts = 0n
  #waiting: Array<{ readonly ts: bigint; readonly resolve: () => void }> = []

  /** A read begins. Returns a function that ends it, and one that returns whether its result can be used. */
  begin(): { readonly end: () => void; readonly isUsable: () => boolean } {
    const epoch = this.#epoch
    this.#reads++
    return {
      end: () => {
        if (--this.#reads === 0) this.#clear()
      },
      isUsable: () => epoch === this.#epoch
    }
  }

  /**
   * Waits until the commit of this time was reported: it is on the disk then, and its changes are known. Returns earlier if
   * results of readers can no longer be used.
   */
  reached(ts: bigint): Promise<void> {
    if (this.#ts >= ts) return Promise.resolve()
    return new Promise((resolve) => void this.#waiting.push({ resolve, ts }))
  }

  /** Whether no commit after `ts` changed one of the ranges. If so, later commits are compared with them. */
  adopt(id: number, ranges: ReadonlyArray<ReadRange>, ts: bigint): boolean {
    const read = new ReadSets()
    read.set(id, ranges)
    const isChanged = (commit: Pick<Commit, "changes" | "ts">) =>
      commit.ts > ts && (commit.changes === null || read.take(commit.changes).length > 0)
    if (this.#commits.some(isChanged)) return false
    this.#readSets.set(id, ranges)
    return true
  }

  forget(id: number): void {
    this.#readSets.delete(id)
  }

  /** Returns the numbers of the results that the commit invalidates. */
  commit({ changes, ts }: Commit): ReadonlyArray<number> {
    this.#ts = ts
    this.#waiting = this.#waiting.filter((each) => {
      if (each.ts <= ts) each.resolve()
      return each.ts > ts
    })
    if (changes?.length === 0) return []
    if (this.#reads > 0) this.#keep({ changes, ts })
    return changes === null ? this.#readSets.clear() : this.#readSets.take(changes)
  }

  /**
   * The functions change, or commits were not reported: running reads must not be used. Returns the numbers of the results
   * whose read sets are forgotten.
   */
  reset(): ReadonlyArray<number> {
    this.#epoch++
    for (const { resolve } of this.#waiting.splice(0)) resolve()
    return this.#readSets.clear()
  }

  #keep(commit: Pick<Commit, "changes" | "ts">): void {
    this.#kept += commit.changes?.length ?? 0
    if (this.#kept > KEPT_CHANGES) {
      this.#clear()
      this.#commits.push({ changes: null, ts: commit.ts })
    } else this.#commits.push(commit)
  }

  #clear(): void {
    this.#commits = []
    this.#kept = 0
  }
}
