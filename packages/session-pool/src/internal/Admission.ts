/**
 * Who may go in and who has to go out: the pool's policy as a data structure without effects. Each operation takes in
 * what has happened and leaves in `commands` what has to be done about it; the caller does that afterwards.
 *
 * Invariants
 * - At most `capacity` residences exist, those being opened or closed included; a key has at most one.
 * - At most `concurrency` tickets hold a residence, let in in the order in which they came.
 * - A residence that is held is never closed, unless its attempt to open has failed.
 * - Holders are answered in the order in which they came, also those who came before the resource was open.
 * - An attempt ends in one of three ways: it opens, it fails, or it is abandoned.
 * - While a claim has no place in sight, nothing is idle, and no ticket that came after that claim is let in anywhere.
 *
 * ```
 *   enter ─▶ queue of its key ──resident──────────────────▶ let in ─▶ leave ─▶ idle, least recently used first
 *                  └──not resident─▶ claims, oldest first ──a place──▶ opening              │
 *                                         ▲                                                 │
 *                                         └───── a place ◀── closed ◀── closing ◀───────────┘
 * ```
 */
import { MutableHashMap, Option } from "effect"
import type { CloseReason, Stats } from "../SessionPool.ts"

/** A key that is resident or that somebody wants. */
interface Entry<K, T, R> {
  readonly key: K
  readonly queue: Set<Ticket<K, T, R>>
  residence: Residence<K, T, R> | undefined
}

/** One caller: waits while it has no residence, holds the one that it has. `payload` is the caller's own. */
export interface Ticket<K, T, R> {
  readonly number: number
  readonly entry: Entry<K, T, R>
  readonly payload: T
  residence: Residence<K, T, R> | undefined
}

/** A place taken by a key, from the attempt to open its resource until that is closed. `payload` is the caller's own. */
export interface Residence<K, T, R> {
  readonly entry: Entry<K, T, R>
  readonly payload: R
  phase: "Opening" | "Open" | "Closing"
  /** Invalidated: let nobody in, close when the last holder has left. */
  stale: boolean
  /** In the order in which they came. They are let in once the residence is open. */
  readonly holders: Set<Ticket<K, T, R>>
  used: boolean
  idleSince: number
}

export type Command<K, T, R> =
  | { readonly _tag: "Open"; readonly residence: Residence<K, T, R> }
  | {
      readonly _tag: "LetIn"
      readonly ticket: Ticket<K, T, R>
      readonly residence: Residence<K, T, R>
      readonly hit: boolean
    }
  | { readonly _tag: "LetDown"; readonly ticket: Ticket<K, T, R>; readonly residence: Residence<K, T, R> }
  | { readonly _tag: "TurnAway"; readonly ticket: Ticket<K, T, R> }
  | { readonly _tag: "Close"; readonly residence: Residence<K, T, R>; readonly reason: CloseReason }
  | { readonly _tag: "Empty" }

/** The victim among idle residences in the order of their last use: the least recently used one. */
export const leastRecentlyUsed = <A>(idle: Iterable<A>): A | undefined => {
  for (const first of idle) return first
  return undefined
}

export const make = <K, T, R>(options: {
  readonly capacity: number
  readonly concurrency: number
  readonly maxWaiting: number
  readonly residence: () => R
}) => {
  const entries = MutableHashMap.empty<K, Entry<K, T, R>>()
  const idle = new Set<Residence<K, T, R>>()
  /** Entries that wait for a place, by the number of their oldest ticket. */
  const claims: Array<Entry<K, T, R>> = []
  /** Resident entries whose oldest ticket has to let an older claim go first. */
  const yielding = new Set<Entry<K, T, R>>()
  const commands: Array<Command<K, T, R>> = []
  const counts = { opens: 0, hits: 0, evictions: 0, idleCloses: 0, failures: 0 }
  let resident = 0
  let closing = 0
  let held = 0
  let waiting = 0
  let tickets = 0
  let draining = false

  /** Claims that have a place in sight: one that is free, or one that is being closed. */
  const inSight = () => options.capacity - resident + closing

  const oldest = (entry: Entry<K, T, R>) => {
    for (const ticket of entry.queue) return ticket.number
    return Infinity
  }

  const isFirst = (ticket: Ticket<K, T, R>) => {
    const next = claims[inSight()]
    return next === undefined || ticket.number < oldest(next)
  }

  const claim = (entry: Entry<K, T, R>) => {
    const number = oldest(entry)
    let at = claims.length
    while (at > 0 && oldest(claims[at - 1]!) > number) at--
    claims.splice(at, 0, entry)
  }

  const unclaim = (entry: Entry<K, T, R>) => {
    const at = claims.indexOf(entry)
    if (at >= 0) claims.splice(at, 1)
  }

  const hold = (ticket: Ticket<K, T, R>, residence: Residence<K, T, R>) => {
    ticket.entry.queue.delete(ticket)
    ticket.residence = residence
    waiting--
    if (residence.holders.size === 0) held++
    residence.holders.add(ticket)
    idle.delete(residence)
    if (residence.phase === "Open") letIn(ticket, residence)
  }

  const letIn = (ticket: Ticket<K, T, R>, residence: Residence<K, T, R>) => {
    const hit = residence.used
    if (hit) counts.hits++
    residence.used = true
    commands.push({ _tag: "LetIn", ticket, residence, hit })
  }

  /** Does for an entry what can be done without taking a place from another. */
  const advance = (entry: Entry<K, T, R>) => {
    yielding.delete(entry)
    const { residence, queue } = entry
    if (residence === undefined) {
      unclaim(entry)
      if (queue.size > 0) claim(entry)
      else MutableHashMap.remove(entries, entry.key)
      return
    }
    if (residence.stale || residence.phase === "Closing") return
    for (const ticket of queue) {
      if (residence.holders.size === options.concurrency) return
      if (!isFirst(ticket)) return void yielding.add(entry)
      hold(ticket, residence)
    }
  }

  const retire = (residence: Residence<K, T, R>) => {
    idle.delete(residence)
    residence.phase = "Closing"
    closing++
  }

  const close = (residence: Residence<K, T, R>, reason: CloseReason) => {
    retire(residence)
    commands.push({ _tag: "Close", residence, reason })
  }

  /** Gives places to claims, and makes places for them. */
  const settle = () => {
    while (claims.length > 0) {
      if (resident < options.capacity) {
        const entry = claims.shift()!
        const residence: Residence<K, T, R> = {
          entry,
          payload: options.residence(),
          phase: "Opening",
          stale: false,
          holders: new Set(),
          used: false,
          idleSince: 0
        }
        entry.residence = residence
        resident++
        counts.opens++
        commands.push({ _tag: "Open", residence })
        advance(entry)
      } else {
        const victim = claims.length > closing ? leastRecentlyUsed(idle) : undefined
        if (victim === undefined) break
        counts.evictions++
        close(victim, "Evicted")
      }
    }
    // Of what yields now: `advance` puts back whoever still has to.
    Array.from(yielding).forEach(advance)
    if (draining && resident === 0) commands.push({ _tag: "Empty" })
  }

  const residenceOf = (key: K) => Option.getOrUndefined(MutableHashMap.get(entries, key))?.residence

  return {
    commands,
    isDraining: () => draining,

    /** A caller comes. Gives nothing when it would have to wait with more than `maxWaiting` others. */
    enter: (key: K, payload: T): Ticket<K, T, R> | undefined => {
      const entry = Option.getOrElse(MutableHashMap.get(entries, key), () => {
        const created: Entry<K, T, R> = { key, queue: new Set(), residence: undefined }
        MutableHashMap.set(entries, key, created)
        return created
      })
      const ticket: Ticket<K, T, R> = { number: tickets++, entry, payload, residence: undefined }
      entry.queue.add(ticket)
      waiting++
      advance(entry)
      settle()
      // Whoever has a place in sight waits for a finalizer, not for others.
      if (ticket.residence !== undefined || waiting - Math.min(claims.length, closing) <= options.maxWaiting)
        return ticket
      entry.queue.delete(ticket)
      waiting--
      advance(entry)
      return undefined
    },

    /** A caller goes, whether it was let in or not. */
    leave: (ticket: Ticket<K, T, R>, now: number) => {
      const { entry, residence } = ticket
      if (residence === undefined) {
        if (!entry.queue.delete(ticket)) return
        waiting--
        advance(entry)
        return settle()
      }
      residence.holders.delete(ticket)
      // It held an attempt that failed, whose place was given back then.
      if (residence !== entry.residence) return
      if (residence.holders.size === 0) held--
      advance(entry)
      if (residence.holders.size === 0 && residence.phase !== "Closing") {
        if (residence.phase === "Opening") close(residence, "Abandoned")
        else if (residence.stale) close(residence, "Invalidated")
        else if (draining) close(residence, "Drained")
        else {
          residence.idleSince = now
          idle.add(residence)
        }
      }
      settle()
    },

    /** The attempt to open succeeded. Says whether anybody still waits for it. */
    opened: (residence: Residence<K, T, R>): boolean => {
      if (residence.phase === "Closing") return false
      residence.phase = "Open"
      for (const ticket of residence.holders) letIn(ticket, residence)
      return true
    },

    /** The attempt to open failed, and has to be closed. Says whether anybody still waits for it. */
    failed: (residence: Residence<K, T, R>): boolean => {
      if (residence.phase === "Closing") return false
      counts.failures++
      retire(residence)
      settle()
      return true
    },

    closed: (residence: Residence<K, T, R>) => {
      closing--
      resident--
      residence.entry.residence = undefined
      if (residence.holders.size > 0) held--
      for (const ticket of residence.holders) commands.push({ _tag: "LetDown", ticket, residence })
      advance(residence.entry)
      settle()
    },

    /** Gives the residence that will not be given out again. */
    invalidate: (key: K) => {
      const residence = residenceOf(key)
      if (residence === undefined) return undefined
      residence.stale = true
      if (residence.holders.size === 0 && residence.phase === "Open") close(residence, "Invalidated")
      return residence
    },

    touch: (key: K, now: number): boolean => {
      const residence = residenceOf(key)
      if (residence === undefined || residence.stale || residence.phase === "Closing") return false
      if (idle.delete(residence)) {
        residence.idleSince = now
        idle.add(residence)
      }
      return true
    },

    /** Closes what has been idle for `timeToLive`, and says when the next one will have been. */
    expire: (now: number, timeToLive: number): number => {
      for (const residence of idle) {
        const deadline = residence.idleSince + timeToLive
        if (deadline > now) return deadline
        counts.idleCloses++
        close(residence, "Idle")
      }
      return now + timeToLive
    },

    drain: () => {
      draining = true
      claims.length = 0
      for (const [, entry] of entries) {
        for (const ticket of entry.queue) commands.push({ _tag: "TurnAway", ticket })
        waiting -= entry.queue.size
        entry.queue.clear()
        if (entry.residence === undefined) MutableHashMap.remove(entries, entry.key)
      }
      for (const residence of idle) close(residence, "Drained")
      settle()
    },

    keys: (): ReadonlyArray<K> => {
      const keys = Array.from(idle, ({ entry }) => entry.key)
      for (const [key, { residence }] of entries) if (residence && residence.holders.size > 0) keys.push(key)
      return keys
    },

    stats: (): Stats => ({ resident, inUse: held, waiting, ...counts })
  }
}
