import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Admission from "../src/internal/Admission.ts"

/** The policy alone: what it decides is written as a line a command, and carried out by the test. */
const policy = (options: {
  readonly capacity: number
  readonly concurrency?: number
  readonly maxWaiting?: number
}) => {
  const admission = Admission.make<string, undefined, undefined>({
    concurrency: 1,
    maxWaiting: Infinity,
    ...options,
    residence: () => undefined
  })
  type Command = Admission.Command<string, undefined, undefined>
  const line = (command: Command) => {
    if (command._tag === "Empty") return "empty"
    if (command._tag === "LetIn") return `let in ${command.ticket.number} to ${command.residence.entry.key}`
    if (command._tag === "LetDown") return `let down ${command.ticket.number}`
    if (command._tag === "TurnAway") return `turn away ${command.ticket.number}`
    return `${command._tag.toLowerCase()} ${command.residence.entry.key}`
  }
  const decisions: Array<Command> = []
  const decided = () => {
    const latest = admission.commands.splice(0)
    decisions.push(...latest)
    return latest.map(line)
  }
  const placeOf = (key: string) => {
    const found = [...decisions, ...admission.commands].findLast(
      (each) => each._tag === "Open" && each.residence.entry.key === key
    )
    return found?._tag === "Open" ? found.residence : assert.fail(`${key} was never opened`)
  }
  return {
    admission,
    decided,
    placeOf,
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
  it("evicts the least recently used, and opens only when its place is free", () => {
    const { admission, decided, enter, placeOf } = policy({ capacity: 2 })
    for (const key of ["a", "b"]) {
      const ticket = enter(key)
      assert.deepStrictEqual(decided(), [`open ${key}`])
      admission.opened(placeOf(key))
      assert.deepStrictEqual(decided(), [`let in ${ticket.number} to ${key}`])
      admission.leave(ticket, 0)
    }
    const waiting = enter("c")
    assert.deepStrictEqual(decided(), ["close a"])
    assert.isUndefined(waiting.residence)
    admission.closed(placeOf("a"))
    assert.deepStrictEqual(decided(), ["open c"])
  })

  it("makes one place for one claim, however many are idle", () => {
    const { admission, decided, enter, placeOf } = policy({ capacity: 3 })
    const tickets = ["a", "b", "c"].map(enter)
    decided()
    for (const ticket of tickets) {
      admission.opened(placeOf(ticket.entry.key))
      admission.leave(ticket, 0)
    }
    decided()
    enter("d")
    enter("d")
    assert.deepStrictEqual(decided(), ["close a"])
  })

  it("forgets a key that nobody wants and that is not resident", () => {
    const { admission, decided, enter, placeOf } = policy({ capacity: 1 })
    const holder = enter("a")
    const waiting = enter("b")
    decided()
    admission.opened(placeOf("a"))
    admission.leave(waiting, 0)
    admission.leave(holder, 0)
    assert.deepStrictEqual(decided(), ["let in 0 to a"])
    assert.deepStrictEqual(admission.keys(), ["a"])
    assert.deepInclude(admission.stats(), { waiting: 0, resident: 1, inUse: 0, opens: 1 })
  })

  it("lets those who share an attempt in when it has opened, before anyone who comes later", () => {
    const { admission, decided, enter, placeOf } = policy({ capacity: 1, concurrency: 2 })
    const first = enter("a")
    const second = enter("a")
    const third = enter("a")
    assert.deepStrictEqual(decided(), ["open a"])
    admission.opened(placeOf("a"))
    admission.leave(first, 0)
    const order = [first, second, third].map(({ number }) => `let in ${number} to a`)
    assert.deepStrictEqual(decided(), order)
    assert.deepInclude(admission.stats(), { hits: 2, inUse: 1, waiting: 0 })
  })

  it("a holder of an attempt that failed does not disturb the next one", () => {
    const { admission, decided, enter, placeOf } = policy({ capacity: 1 })
    const unlucky = enter("a")
    decided()
    const attempt = placeOf("a")
    assert.isTrue(admission.failed(attempt))
    const next = enter("a")
    assert.deepStrictEqual(decided(), [])
    admission.closed(attempt)
    assert.deepStrictEqual(decided(), ["let down 0", "open a"])
    assert.deepInclude(admission.stats(), { failures: 1, inUse: 1, resident: 1 })
    admission.leave(unlucky, 0)
    admission.opened(placeOf("a"))
    admission.leave(next, 0)
    assert.deepStrictEqual(admission.keys(), ["a"])
    assert.deepInclude(admission.stats(), { failures: 1, inUse: 0, resident: 1 })
  })

  it("an attempt that failed stays failed when its holder leaves before it is closed", () => {
    const { admission, decided, enter, placeOf } = policy({ capacity: 1 })
    const holder = enter("a")
    admission.failed(placeOf("a"))
    admission.leave(holder, 0)
    assert.deepStrictEqual(decided(), ["open a"])
    admission.closed(placeOf("a"))
    assert.deepStrictEqual(decided(), [])
    assert.deepInclude(admission.stats(), { failures: 1, inUse: 0, resident: 0 })
  })

  it("an attempt that was abandoned neither opens nor fails", () => {
    const { admission, decided, enter, placeOf } = policy({ capacity: 1 })
    admission.leave(enter("a"), 0)
    assert.deepStrictEqual(decided(), ["open a", "close a"])
    assert.isFalse(admission.opened(placeOf("a")))
    assert.isFalse(admission.failed(placeOf("a")))
    assert.deepInclude(admission.stats(), { failures: 0, resident: 1 })
  })

  it("a failed attempt's place is in sight of whoever waits, so that who yielded goes on", () => {
    const { admission, decided, enter, placeOf } = policy({ capacity: 2, concurrency: 2 })
    enter("hot")
    admission.opened(placeOf("hot"))
    enter("bad")
    enter("cold")
    enter("hot")
    assert.deepStrictEqual(decided(), ["open hot", "let in 0 to hot", "open bad"])
    admission.failed(placeOf("bad"))
    assert.deepStrictEqual(decided(), ["let in 3 to hot"])
    admission.closed(placeOf("bad"))
    assert.deepStrictEqual(decided(), ["let down 1", "open cold"])
  })
})
