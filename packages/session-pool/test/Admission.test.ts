import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schema } from "effect"
import { vi } from "vitest"
import * as Admission from "../src/internal/Admission.ts"
import * as Grant from "../src/internal/Grant.ts"
import { List, type Linked } from "../src/internal/List.ts"
import { type Command as AdmissionCommand, type Entry, makeWaitingKeys, type Waiter } from "../src/internal/Slot.ts"

interface Item extends Linked<Item> {}

/** The policy alone: each command is recorded as one line, and the test carries it out. */
const policy = (options: {
  readonly capacity: number
  readonly concurrency?: number
  readonly maxWaiting?: number
}) => {
  const admission = Admission.make<string, undefined, undefined>({
    concurrency: 1,
    maxWaiting: Infinity,
    ...options,
    makeSlot: () => undefined
  })
  type Command = AdmissionCommand<string, undefined, undefined>
  const line = (command: Command) => {
    if (command._tag === "Drained") return "drained"
    if (command._tag === "Grant") return `grant ${command.slot.entry.key} to ${command.waiter.number}`
    if (command._tag === "Fail") return `fail ${command.waiter.number}`
    if (command._tag === "Reject") return `reject ${command.waiter.number}`
    return `${command._tag.toLowerCase()} ${command.slot.entry.key}`
  }
  const decisions: Array<Command> = []
  const decided = () => {
    const latest = admission.commands.splice(0)
    decisions.push(...latest)
    return latest.map(line)
  }
  const slotOf = (key: string) => {
    const found = [...decisions, ...admission.commands].findLast(
      (each) => each._tag === "Open" && each.slot.entry.key === key
    )
    return found?._tag === "Open" ? found.slot : assert.fail(`${key} was never opened`)
  }
  const enter = (key: string) => admission.enter(key, undefined) ?? assert.fail("rejected")
  return {
    admission,
    decided,
    slotOf,
    enter,
    opened: (key: string) => {
      const waiter = enter(key)
      admission.opened(slotOf(key))
      return waiter
    }
  }
}

describe("leastRecentlyUsed", () => {
  it.prop("is the first in the order of last use", [Schema.Array(Schema.Int)], ([idle]) => {
    assert.strictEqual(Admission.leastRecentlyUsed(idle), idle[0])
    assert.strictEqual(Admission.leastRecentlyUsed(new Set(idle)), idle[0])
  })
})

describe("keys that wait", () => {
  type Key = Entry<string, undefined, undefined>

  const waiting = (key: string, number: number) => {
    const entry: Key = { key, queue: new List(), slot: undefined }
    const links = { list: undefined, previous: undefined, next: undefined }
    const waiter: Waiter<string, undefined, undefined> = {
      number,
      entry,
      payload: undefined,
      slot: undefined,
      ...links
    }
    entry.queue.add(waiter)
    return { entry, waiter }
  }

  it("are ordered by their oldest waiter, whenever they were added", () => {
    const keys = makeWaitingKeys<string, undefined, undefined>()
    const [first, second, third] = [waiting("a", 1), waiting("b", 2), waiting("c", 3)]
    for (const { entry } of [second, third, first]) keys.add(entry)
    assert.deepStrictEqual(
      keys.entries.map(({ key }) => key),
      ["a", "b", "c"]
    )
    // Of one free slot, which is for the first key.
    assert.isTrue(keys.isNext(first.waiter, 1))
    assert.isFalse(keys.isNext(second.waiter, 1))
    assert.isFalse(keys.isNext(third.waiter, 1))
    assert.isTrue(keys.isNext(third.waiter, 3))
    keys.remove(second.entry)
    keys.remove(second.entry)
    assert.deepStrictEqual(
      keys.entries.map(({ key }) => key),
      ["a", "c"]
    )
  })
})

describe("a list", () => {
  it("does not delete an item of another list", () => {
    const item: Item = { list: undefined, previous: undefined, next: undefined }
    const [own, other] = [new List<Item>(), new List<Item>()]
    own.add(item)
    assert.strictEqual(other.delete(item), false)
    assert.deepStrictEqual([own.size, other.size], [1, 0])
    assert.strictEqual(own.delete(item), true)
    assert.strictEqual(own.delete(item), false)
  })
})

describe("a grant", () => {
  it("is read at once if it is done, and otherwise when it is", () => {
    const done = Grant.make<string, never>()
    Grant.done(done, Exit.succeed("before"))
    assert.strictEqual(Effect.runSync(Grant.wait(done)), "before")

    const later = Grant.make<string, never>()
    const read: Array<string> = []
    Effect.runFork(Effect.map(Grant.wait(later), (value) => read.push(value)))
    assert.deepStrictEqual(read, [])
    Grant.done(later, Exit.succeed("after"))
    return vi.waitFor(() => assert.deepStrictEqual(read, ["after"]))
  })
})

describe("Admission", () => {
  it("evicts the least recently used slot, and opens another only once that one is closed", () => {
    const { admission, decided, enter, slotOf } = policy({ capacity: 2 })
    for (const key of ["a", "b"]) {
      const waiter = enter(key)
      assert.deepStrictEqual(decided(), [`open ${key}`])
      admission.opened(slotOf(key))
      assert.deepStrictEqual(decided(), [`grant ${key} to ${waiter.number}`])
      admission.leave(waiter, 0)
    }
    const waiting = enter("c")
    assert.deepStrictEqual(decided(), ["close a"])
    assert.isUndefined(waiting.slot)
    admission.closed(slotOf("a"))
    assert.deepStrictEqual(decided(), ["open c"])
  })

  it("evicts one slot per waiting key, however many are idle", () => {
    const { admission, decided, enter, slotOf } = policy({ capacity: 3 })
    const waiters = ["a", "b", "c"].map(enter)
    decided()
    for (const waiter of waiters) {
      admission.opened(slotOf(waiter.entry.key))
      admission.leave(waiter, 0)
    }
    decided()
    enter("d")
    enter("d")
    assert.deepStrictEqual(decided(), ["close a"])
  })

  it("forgets a key without a slot and without waiters", () => {
    const { admission, decided, enter, slotOf } = policy({ capacity: 1 })
    const holder = enter("a")
    const waiting = enter("b")
    decided()
    admission.opened(slotOf("a"))
    admission.leave(waiting, 0)
    admission.leave(holder, 0)
    assert.deepStrictEqual(decided(), ["grant a to 0"])
    assert.deepStrictEqual(admission.keys(), ["a"])
    assert.deepInclude(admission.stats(), { waiting: 0, resident: 1, inUse: 0, opens: 1 })
  })

  it("grants a slot to the waiters that share its attempt before any later waiter", () => {
    const { admission, decided, enter, slotOf } = policy({ capacity: 1, concurrency: 2 })
    const first = enter("a")
    const second = enter("a")
    const third = enter("a")
    assert.deepStrictEqual(decided(), ["open a"])
    admission.opened(slotOf("a"))
    admission.leave(first, 0)
    const order = [first, second, third].map(({ number }) => `grant a to ${number}`)
    assert.deepStrictEqual(decided(), order)
    assert.deepInclude(admission.stats(), { hits: 2, inUse: 1, waiting: 0 })
  })

  it("a holder of a failed attempt does not affect the next attempt", () => {
    const { admission, decided, enter, slotOf } = policy({ capacity: 1 })
    const unlucky = enter("a")
    decided()
    const attempt = slotOf("a")
    assert.isTrue(admission.failed(attempt))
    const next = enter("a")
    assert.deepStrictEqual(decided(), [])
    admission.closed(attempt)
    assert.deepStrictEqual(decided(), ["fail 0", "open a"])
    assert.deepInclude(admission.stats(), { failures: 1, inUse: 1, resident: 1 })
    admission.leave(unlucky, 0)
    admission.opened(slotOf("a"))
    admission.leave(next, 0)
    assert.deepStrictEqual(admission.keys(), ["a"])
    assert.deepInclude(admission.stats(), { failures: 1, inUse: 0, resident: 1 })
  })

  it("a failed attempt stays failed when its holder leaves before it is closed", () => {
    const { admission, decided, enter, slotOf } = policy({ capacity: 1 })
    const holder = enter("a")
    admission.failed(slotOf("a"))
    admission.leave(holder, 0)
    assert.deepStrictEqual(decided(), ["open a"])
    admission.closed(slotOf("a"))
    assert.deepStrictEqual(decided(), [])
    assert.deepInclude(admission.stats(), { failures: 1, inUse: 0, resident: 0 })
  })

  it("an abandoned attempt neither opens nor fails", () => {
    const { admission, decided, enter, slotOf } = policy({ capacity: 1 })
    admission.leave(enter("a"), 0)
    assert.deepStrictEqual(decided(), ["open a", "close a"])
    assert.isFalse(admission.opened(slotOf("a")))
    assert.isFalse(admission.failed(slotOf("a")))
    assert.deepInclude(admission.stats(), { failures: 0, resident: 1 })
  })

  it("a failed attempt's slot counts as available, so that a blocked key continues", () => {
    const { admission, decided, enter, slotOf } = policy({ capacity: 2, concurrency: 2 })
    enter("hot")
    admission.opened(slotOf("hot"))
    enter("bad")
    enter("cold")
    enter("hot")
    assert.deepStrictEqual(decided(), ["open hot", "grant hot to 0", "open bad"])
    admission.failed(slotOf("bad"))
    assert.deepStrictEqual(decided(), ["grant hot to 3"])
    admission.closed(slotOf("bad"))
    assert.deepStrictEqual(decided(), ["fail 1", "open cold"])
  })

  it("rejects a caller when more than maxWaiting would wait, and counts it no longer", () => {
    const { admission, decided, enter } = policy({ capacity: 1, maxWaiting: 1 })
    enter("a")
    const waiting = enter("b")
    assert.isUndefined(admission.enter("c", undefined))
    assert.isUndefined(admission.enter("a", undefined))
    assert.deepInclude(admission.stats(), { waiting: 1, resident: 1 })
    admission.leave(waiting, 0)
    enter("c")
    assert.deepInclude(admission.stats(), { waiting: 1 })
    assert.deepStrictEqual(decided(), ["open a"])
  })

  it("does not count a waiter whose slot is being closed against maxWaiting", () => {
    const { admission, decided, enter, opened } = policy({ capacity: 1, maxWaiting: 0 })
    admission.leave(opened("a"), 0)
    enter("b")
    assert.deepStrictEqual(decided().slice(-1), ["close a"])
    assert.isUndefined(admission.enter("c", undefined))
    assert.deepInclude(admission.stats(), { evictions: 1, waiting: 1 })
  })

  it("admits no later waiter of an open key once an evicted slot was reused", () => {
    const { admission, decided, enter, opened, slotOf } = policy({ capacity: 1, concurrency: 2 })
    admission.leave(opened("a"), 0)
    enter("b")
    admission.closed(slotOf("a"))
    assert.isTrue(admission.opened(slotOf("b")))
    enter("c")
    decided()
    assert.isUndefined(enter("b").slot)
    assert.deepStrictEqual(decided(), [])
  })

  it("closes an invalidated slot at once if it is idle, otherwise after its last holder", () => {
    const { admission, decided, enter, opened } = policy({ capacity: 2, concurrency: 2 })
    assert.isUndefined(admission.invalidate("unknown"))
    admission.leave(opened("idle"), 0)
    const holders = [opened("held"), enter("held")]
    decided()
    assert.strictEqual(admission.invalidate("idle")?.phase, "Closing")
    assert.deepStrictEqual(decided(), ["close idle"])
    assert.strictEqual(admission.invalidate("held")?.phase, "Open")
    assert.isUndefined(enter("held").slot)
    admission.leave(holders[0]!, 0)
    assert.deepStrictEqual(decided(), [])
    admission.leave(holders[1]!, 0)
    assert.deepStrictEqual(decided(), ["close held"])
  })

  it("closes no slot that is invalidated while it opens, until its holder leaves", () => {
    const { admission, decided, enter, slotOf } = policy({ capacity: 1 })
    const holder = enter("a")
    admission.invalidate("a")
    admission.opened(slotOf("a"))
    assert.deepStrictEqual(decided(), ["open a", `grant a to ${holder.number}`])
    admission.leave(holder, 0)
    assert.deepStrictEqual(decided(), ["close a"])
  })

  it("touch makes an idle slot the last one to be evicted, and returns whether the key is resident", () => {
    const { admission, decided, enter, opened } = policy({ capacity: 3 })
    for (const key of ["a", "b"]) admission.leave(opened(key), 0)
    const held = opened("held")
    assert.deepStrictEqual(
      ["a", "held", "unknown"].map((key) => admission.touch(key, 5)),
      [true, true, false]
    )
    assert.deepStrictEqual(admission.keys(), ["b", "a", "held"])
    decided()
    enter("c")
    assert.deepStrictEqual(decided(), ["close b"])
    assert.isFalse(admission.touch("b", 5))
    admission.invalidate("held")
    assert.isFalse(admission.touch("held", 5))
    assert.isDefined(held.slot)
  })

  it("expire closes the slots that were idle long enough, and returns the time of the next one", () => {
    const { admission, decided, opened } = policy({ capacity: 3 })
    assert.strictEqual(admission.expire(7, 10), 17)
    admission.leave(opened("a"), 1)
    admission.leave(opened("b"), 5)
    admission.touch("a", 6)
    decided()
    assert.strictEqual(admission.expire(14, 10), 15)
    assert.deepStrictEqual(decided(), [])
    assert.strictEqual(admission.expire(15, 10), 16)
    assert.deepStrictEqual(decided(), ["close b"])
    assert.strictEqual(admission.expire(16, 10), 26)
    assert.deepStrictEqual(decided(), ["close a"])
    assert.deepInclude(admission.stats(), { idleCloses: 2 })
  })

  it("drain rejects waiters, closes idle slots, and ends when the last slot is closed", () => {
    const { admission, decided, enter, opened, slotOf } = policy({ capacity: 2 })
    admission.leave(opened("idle"), 0)
    const holder = opened("held")
    const waiters = [enter("held"), enter("other")]
    decided()
    assert.isFalse(admission.isDraining())
    admission.drain()
    assert.isTrue(admission.isDraining())
    const rejected = waiters.map(({ number }) => `reject ${number}`)
    assert.sameMembers(decided(), rejected)
    assert.deepInclude(admission.stats(), { waiting: 0, resident: 2 })
    admission.closed(slotOf("idle"))
    admission.leave(holder, 0)
    assert.deepStrictEqual(decided(), ["close held"])
    admission.closed(slotOf("held"))
    assert.deepStrictEqual(decided(), ["drained"])
    assert.deepStrictEqual(admission.keys(), [])
  })

  it("serves waiting keys in the order of their oldest waiters", () => {
    const { admission, decided, enter, opened, slotOf } = policy({ capacity: 1, concurrency: 3 })
    const holder = opened("a")
    const [b, c] = [enter("b"), enter("c")]
    enter("d")
    enter("b")
    // The oldest waiter of b leaves: its next one came after c and d.
    admission.leave(b, 0)
    admission.leave(holder, 0)
    decided()
    for (const key of ["c", "d"]) {
      admission.closed(slotOf(key === "c" ? "a" : "c"))
      assert.deepStrictEqual(decided(), [`open ${key}`])
      admission.opened(slotOf(key))
      if (key === "c") admission.leave(c, 0)
      decided()
    }
  })

  it("a key that loses its slot waits in front of keys whose waiters came later", () => {
    const { admission, decided, enter, opened, slotOf } = policy({ capacity: 1 })
    const holder = opened("a")
    enter("a")
    enter("c")
    admission.invalidate("a")
    admission.leave(holder, 0)
    decided()
    admission.closed(slotOf("a"))
    assert.deepStrictEqual(decided(), ["open a"])
  })

  it("drain forgets waiting keys, and keeps those that have a slot", () => {
    const { admission, enter, opened } = policy({ capacity: 1 })
    const holder = opened("held")
    const waiter = enter("other")
    admission.drain()
    assert.isUndefined(admission.invalidate("other"))
    assert.strictEqual(admission.invalidate("held"), holder.slot)
    admission.leave(waiter, 0)
    assert.deepStrictEqual(admission.keys(), ["held"])
  })
})
