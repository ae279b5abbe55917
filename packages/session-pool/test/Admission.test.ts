import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Admission from "../src/internal/Admission.ts"
import type { Command as AdmissionCommand } from "../src/internal/Slot.ts"

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
  return {
    admission,
    decided,
    slotOf,
    enter: (key: string) => admission.enter(key, undefined) ?? assert.fail("rejected")
  }
}

describe("leastRecentlyUsed", () => {
  it.prop("is the first in the order of last use", [Schema.Array(Schema.Int)], ([idle]) => {
    assert.strictEqual(Admission.leastRecentlyUsed(idle), idle[0])
    assert.strictEqual(Admission.leastRecentlyUsed(new Set(idle)), idle[0])
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
})
