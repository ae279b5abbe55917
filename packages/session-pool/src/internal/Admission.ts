/**
 * The admission policy as a data structure without effects: decides which waiters get a slot and which slots close. Each
 * operation records an event and appends the resulting commands to `commands`; the shell carries them out afterwards.
 *
 * Invariants
 * - At most `capacity` slots exist, including those being opened or closed; a key has at most one.
 * - At most `concurrency` waiters hold a slot. They are granted it in FIFO order, including those that came before it opened.
 * - A slot that is held is never closed, unless its attempt to open failed.
 * - An attempt to open ends in one of three ways: it opens, it fails, or it is abandoned.
 * - FIFO fairness: while a waiter has no slot free or closing, no slot is idle and no later waiter is admitted for any key.
 *
 * ```
 *   enter ─▶ queue of its key ──has a slot─────────────────▶ grant ─▶ leave ─▶ idle, least recently used first
 *                  └──has none─▶ waitingKeys, oldest first ──slot──▶ opening              │
 *                                         ▲                                               │
 *                                         └────── slot ◀── closed ◀── closing ◀───────────┘
 * ```
 */
import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"
import { List } from "./List.ts"
import { type Command, type Entry, makeWaitingKeys, type Slot, type Waiter } from "./Slot.ts"
import type { CloseReason, Stats } from "./types.ts"

/** The slot to evict among the idle ones, which are ordered by their last use. */
export const leastRecentlyUsed = <A>(idle: Iterable<A>): A | undefined => {
  for (const first of idle) return first
  return undefined
}

export const make = <K, W, S>(options: {
  readonly capacity: number
  readonly concurrency: number
  readonly maxWaiting: number
  readonly makeSlot: () => S
}) => {
  const entries = MutableHashMap.empty<K, Entry<K, W, S>>()
  /** Least recently used first. */
  const idle = new List<Slot<K, W, S>>()
  const waitingKeys = makeWaitingKeys<K, W, S>()
  /** Entries with a slot whose oldest waiter must not overtake an older waiter of another key. */
  const blockedKeys = new Set<Entry<K, W, S>>()
  const commands: Array<Command<K, W, S>> = []
  const counts = { opens: 0, hits: 0, evictions: 0, idleCloses: 0, failures: 0 }
  let resident = 0
  let closing = 0
  let inUse = 0
  let waiting = 0
  let nextNumber = 0
  let draining = false

  /** Slots that waiting keys can count on: free, or being closed. */
  const available = () => options.capacity - resident + closing

  const assign = (waiter: Waiter<K, W, S>, slot: Slot<K, W, S>) => {
    waiter.entry.queue.delete(waiter)
    waiter.slot = slot
    waiting--
    if (slot.holders.size === 0) inUse++
    slot.holders.add(waiter)
    idle.delete(slot)
    if (slot.phase === "Open") grant(waiter, slot)
  }

  const grant = (waiter: Waiter<K, W, S>, slot: Slot<K, W, S>) => {
    const hit = slot.used
    if (hit) counts.hits++
    slot.used = true
    commands.push({ _tag: "Grant", waiter, slot, hit })
  }

  /** Admits waiters of an entry as far as its own slot allows. */
  const advance = (entry: Entry<K, W, S>) => {
    if (blockedKeys.size > 0) blockedKeys.delete(entry)
    const { slot, queue } = entry
    if (slot === undefined) {
      waitingKeys.remove(entry)
      if (queue.size > 0) waitingKeys.add(entry)
      else MutableHashMap.remove(entries, entry.key)
      return
    }
    if (slot.stale || slot.phase === "Closing") return
    for (let waiter = queue.first; waiter; waiter = queue.first) {
      if (slot.holders.size === options.concurrency) return
      if (!waitingKeys.isNext(waiter, available())) return void blockedKeys.add(entry)
      assign(waiter, slot)
    }
  }

  const beginClose = (slot: Slot<K, W, S>) => {
    idle.delete(slot)
    slot.phase = "Closing"
    closing++
  }

  const close = (slot: Slot<K, W, S>, reason: CloseReason) => {
    beginClose(slot)
    commands.push({ _tag: "Close", slot, reason })
  }

  /** Assigns free slots to waiting keys, and evicts idle slots for the others. */
  const fillSlots = () => {
    while (waitingKeys.entries.length > 0) {
      if (resident < options.capacity) {
        const entry = waitingKeys.entries.shift()!
        const slot: Slot<K, W, S> = {
          entry,
          payload: options.makeSlot(),
          phase: "Opening",
          stale: false,
          holders: new List(),
          used: false,
          idleSince: 0,
          list: undefined,
          previous: undefined,
          next: undefined
        }
        entry.slot = slot
        resident++
        counts.opens++
        commands.push({ _tag: "Open", slot })
        advance(entry)
      } else {
        const victim = waitingKeys.entries.length > closing ? leastRecentlyUsed(idle) : undefined
        if (victim === undefined) break
        counts.evictions++
        close(victim, "Evicted")
      }
    }
    // A copy: `advance` adds an entry again if it is still blocked.
    if (blockedKeys.size > 0) Array.from(blockedKeys).forEach(advance)
    if (draining && resident === 0) commands.push({ _tag: "Drained" })
  }

  const slotOf = (key: K) => Option.getOrUndefined(MutableHashMap.get(entries, key))?.slot

  return {
    commands,
    isDraining: () => draining,

    /** Adds a caller. Returns `undefined` when more than `maxWaiting` callers would wait. */
    enter: (key: K, payload: W): Waiter<K, W, S> | undefined => {
      let entry = Option.getOrUndefined(MutableHashMap.get(entries, key))
      if (entry === undefined) {
        entry = { key, queue: new List(), slot: undefined }
        MutableHashMap.set(entries, key, entry)
      }
      const first = entry.queue.size === 0
      const waiter: Waiter<K, W, S> = {
        number: nextNumber++,
        entry,
        payload,
        slot: undefined,
        list: undefined,
        previous: undefined,
        next: undefined
      }
      entry.queue.add(waiter)
      waiting++
      // Behind another waiter of its key, it changes no decision.
      if (first) {
        advance(entry)
        fillSlots()
      }
      // A caller whose slot is being closed waits for a finalizer, not for other callers: it does not count.
      if (waiter.slot !== undefined || waiting - Math.min(waitingKeys.entries.length, closing) <= options.maxWaiting)
        return waiter
      entry.queue.delete(waiter)
      waiting--
      advance(entry)
      return undefined
    },

    /** Removes a caller, whether it was granted a slot or not. */
    leave: (waiter: Waiter<K, W, S>, now: number) => {
      const { entry, slot } = waiter
      if (slot === undefined) {
        if (!entry.queue.delete(waiter)) return
        waiting--
        advance(entry)
        return fillSlots()
      }
      slot.holders.delete(waiter)
      waiter.slot = undefined
      // It held an attempt that failed, whose slot was returned then.
      if (slot !== entry.slot) return
      if (slot.holders.size === 0) inUse--
      advance(entry)
      if (slot.holders.size === 0 && slot.phase !== "Closing") {
        if (slot.phase === "Opening") close(slot, "Abandoned")
        else if (slot.stale) close(slot, "Invalidated")
        else if (draining) close(slot, "Drained")
        else {
          slot.idleSince = now
          idle.add(slot)
        }
      }
      fillSlots()
    },

    /** The attempt to open succeeded. Returns false if it was abandoned before. */
    opened: (slot: Slot<K, W, S>): boolean => {
      if (slot.phase === "Closing") return false
      slot.phase = "Open"
      for (let waiter = slot.holders.first; waiter; waiter = waiter.next) grant(waiter, slot)
      return true
    },

    /** The attempt to open failed, and must be closed. Returns false if it was abandoned before. */
    failed: (slot: Slot<K, W, S>): boolean => {
      if (slot.phase === "Closing") return false
      counts.failures++
      beginClose(slot)
      fillSlots()
      return true
    },

    closed: (slot: Slot<K, W, S>) => {
      closing--
      resident--
      slot.entry.slot = undefined
      if (slot.holders.size > 0) inUse--
      for (let waiter = slot.holders.first; waiter; waiter = waiter.next) commands.push({ _tag: "Fail", waiter, slot })
      advance(slot.entry)
      fillSlots()
    },

    /** Returns the slot that admits no further waiter. */
    invalidate: (key: K) => {
      const slot = slotOf(key)
      if (slot === undefined) return undefined
      slot.stale = true
      if (slot.holders.size === 0 && slot.phase === "Open") close(slot, "Invalidated")
      return slot
    },

    touch: (key: K, now: number): boolean => {
      const slot = slotOf(key)
      if (slot === undefined || slot.stale || slot.phase === "Closing") return false
      if (idle.delete(slot)) {
        slot.idleSince = now
        idle.add(slot)
      }
      return true
    },

    /** Closes slots that were idle for `timeToLive`. Returns the time at which the next one will have been. */
    expire: (now: number, timeToLive: number): number => {
      for (const slot of idle) {
        const deadline = slot.idleSince + timeToLive
        if (deadline > now) return deadline
        counts.idleCloses++
        close(slot, "Idle")
      }
      return now + timeToLive
    },

    drain: () => {
      draining = true
      waitingKeys.entries.length = 0
      for (const [, entry] of entries) {
        waiting -= entry.queue.size
        for (const waiter of entry.queue) {
          entry.queue.delete(waiter)
          commands.push({ _tag: "Reject", waiter })
        }
        if (entry.slot === undefined) MutableHashMap.remove(entries, entry.key)
      }
      for (const slot of idle) close(slot, "Drained")
      fillSlots()
    },

    keys: (): ReadonlyArray<K> => {
      const keys = Array.from(idle, ({ entry }) => entry.key)
      for (const [key, { slot }] of entries) if (slot && slot.holders.size > 0) keys.push(key)
      return keys
    },

    stats: (): Stats => ({ resident, inUse, waiting, ...counts })
  }
}
