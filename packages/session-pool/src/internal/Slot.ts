/** The records of the admission policy: keys, waiters, slots, and the commands that it issues. */
import type { Linked, List } from "./List.ts"
import type { CloseReason } from "./types.ts"

/** A key that has a slot or a waiter. */
export interface Entry<K, W, S> {
  readonly key: K
  /** Waiters without a slot, oldest first. */
  readonly queue: List<Waiter<K, W, S>>
  slot: Slot<K, W, S> | undefined
}

/** One caller: waits while `slot` is undefined, and holds its slot afterwards. It is in the list of either. `payload` belongs to the shell. */
export interface Waiter<K, W, S> extends Linked<Waiter<K, W, S>> {
  readonly number: number
  readonly entry: Entry<K, W, S>
  readonly payload: W
  slot: Slot<K, W, S> | undefined
}

/** A unit of capacity taken by a key, from the attempt to open its resource until it is closed. `payload` belongs to the shell. */
export interface Slot<K, W, S> extends Linked<Slot<K, W, S>> {
  readonly entry: Entry<K, W, S>
  readonly payload: S
  phase: "Opening" | "Open" | "Closing"
  /** Invalidated: admits no waiter, and closes when its last holder leaves. */
  stale: boolean
  /** Oldest first. They are granted the slot once it is open. */
  readonly holders: List<Waiter<K, W, S>>
  used: boolean
  /** Milliseconds since 1970. */
  idleSince: number
}

export type Command<K, W, S> =
  | { readonly _tag: "Open"; readonly slot: Slot<K, W, S> }
  | { readonly _tag: "Grant"; readonly waiter: Waiter<K, W, S>; readonly slot: Slot<K, W, S>; readonly hit: boolean }
  | { readonly _tag: "Fail"; readonly waiter: Waiter<K, W, S>; readonly slot: Slot<K, W, S> }
  | { readonly _tag: "Reject"; readonly waiter: Waiter<K, W, S> }
  | { readonly _tag: "Close"; readonly slot: Slot<K, W, S>; readonly reason: CloseReason }
  | { readonly _tag: "Drained" }

/** The number of an entry's oldest waiter; `Infinity` without one. */
const oldest = <K, W, S>(entry: Entry<K, W, S>) => entry.queue.first?.number ?? Infinity

const isAfter = <K, W, S>(entry: Entry<K, W, S>, number: number) => oldest(entry) > number // mutate: equivalent, because no number occurs twice

/** Keys that wait for a slot, ordered by their oldest waiter. */
export const makeWaitingKeys = <K, W, S>() => {
  const entries: Array<Entry<K, W, S>> = []
  return {
    entries,
    add: (entry: Entry<K, W, S>) => {
      const number = oldest(entry)
      let at = entries.length
      while (at > 0 && isAfter(entries[at - 1]!, number)) at--
      if (at === entries.length) entries.push(entry)
      else entries.splice(at, 0, entry)
    },
    remove: (entry: Entry<K, W, S>) => {
      const at = entries.indexOf(entry)
      if (at >= 0) entries.splice(at, 1)
    },
    /** Whether a waiter came before the first key that none of `available` slots is for. */
    isNext: (waiter: Waiter<K, W, S>, available: number) => {
      const next = entries[available]
      return next === undefined || waiter.number < oldest(next)
    }
  }
}
