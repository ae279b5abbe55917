import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { Machine } from "../src/index.ts"

const Lamp = Schema.TaggedUnion({ Off: {}, On: { level: Schema.Int }, Broken: {} })
const Touch = Schema.TaggedUnion({ Press: { force: Schema.Int }, Dim: {}, Drop: {} })
type Lamp = typeof Lamp.Type
type Touch = typeof Touch.Type

const vocabulary = { name: "lamp", state: Lamp, event: Touch, initial: { _tag: "Off" } } as const

const lamp = Machine.make({
  ...vocabulary,
  table: {
    Off: {
      Press: [
        { to: "Broken", when: { note: "too hard", test: (_, event) => event.force > 9 } },
        { to: "On", when: { note: "enough", test: (_, event) => event.force > 0 }, data: () => ({ level: 3 }) }
      ],
      Drop: { to: "Broken" }
    },
    On: {
      Press: { to: "Off" },
      Dim: [
        { to: "Off", when: { note: "darkest", test: (state) => state.level === 1 } },
        { stay: (state) => ({ level: state.level - 1 }) }
      ],
      Drop: { to: "Broken" }
    },
    Broken: { Drop: { stay: true } }
  }
})

const after = (state: Lamp, event: Touch) => Result.getOrThrow(Machine.transition(lamp, state, event))
const refusal = (state: Lamp, event: Touch) =>
  Result.match(Machine.transition(lamp, state, event), {
    onFailure: (error) => error,
    onSuccess: () => assert.fail("the event was accepted")
  })

describe("Machine.transition", () => {
  it("takes the first rule whose guard agrees", () => {
    assert.deepStrictEqual(after({ _tag: "Off" }, { _tag: "Press", force: 10 }).state, { _tag: "Broken" })
    assert.deepStrictEqual(after({ _tag: "Off" }, { _tag: "Press", force: 1 }).state, { _tag: "On", level: 3 })
  })

  it("stays with new data, or with the very same state", () => {
    const dimmed = after({ _tag: "On", level: 3 }, { _tag: "Dim" })
    assert.deepStrictEqual(dimmed, { state: { _tag: "On", level: 2 }, entered: false })
    const broken: Lamp = { _tag: "Broken" }
    assert.strictEqual(after(broken, { _tag: "Drop" }).state, broken)
  })

  it("names state, event and the allowed events when it refuses", () => {
    const error = refusal({ _tag: "Off" }, { _tag: "Dim" })
    assert.deepInclude(error.reason, {
      _tag: "InvalidTransition",
      machine: "lamp",
      state: "Off",
      event: "Dim",
      allowed: ["Press", "Drop"]
    })
    assert.strictEqual(error.message, "lamp: the state Off does not take Dim; it takes Press, Drop")
  })

  it("says so when it was the guards that refused", () => {
    const error = refusal({ _tag: "Off" }, { _tag: "Press", force: 0 })
    assert.strictEqual(error.message, "lamp: every guard of Press refused it in the state Off")
  })

  it("refuses names that only an object's prototype knows", () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a caller without types could send
    const odd = { _tag: "constructor" } as never
    assert.isTrue(Result.isFailure(Machine.transition(lamp, { _tag: "Off" }, odd)))
    assert.isTrue(Result.isFailure(Machine.transition(lamp, odd, { _tag: "Drop" })))
  })
})

describe("Machine", () => {
  it("knows its final states and what a state takes", () => {
    assert.isTrue(Machine.isFinal(lamp, "Broken"))
    assert.isFalse(Machine.isFinal(lamp, "On"))
    assert.deepStrictEqual(Machine.allowed(lamp, "On"), ["Press", "Dim", "Drop"])
  })

  it("draws itself", () => {
    assert.strictEqual(
      Machine.toMermaid(lamp),
      `stateDiagram-v2
    [*] --> Off
    Off --> Broken: Press [too hard], Drop
    Off --> On: Press [enough]
    On --> Off: Press, Dim [darkest]
    On --> Broken: Drop
    Broken --> [*]`
    )
  })

  it("does not compile when the table is not whole", () => {
    const Off = { Press: { to: "Off" }, Dim: { to: "Off" }, Drop: { to: "Broken" } } as const
    // @ts-expect-error the state Broken has no row
    Machine.make({ ...vocabulary, table: { Off, On: {} } })
    // @ts-expect-error no state takes Dim
    Machine.make({ ...vocabulary, table: { Off: { Press: { to: "Off" } }, On: {}, Broken: { Drop: { stay: true } } } })
    // @ts-expect-error On needs its level
    Machine.make({ ...vocabulary, table: { Off, On: { Press: { to: "On" } }, Broken: {} } })
    // @ts-expect-error there is no state Onn
    Machine.make({ ...vocabulary, table: { Off, On: { Press: { to: "Onn" } }, Broken: {} } })
    // @ts-expect-error there is no event Kick
    Machine.make({ ...vocabulary, table: { Off, On: { Kick: { to: "Off" } }, Broken: {} } })
    assert.doesNotThrow(() => Machine.make({ ...vocabulary, table: { Off, On: {}, Broken: {} } }))
  })
})
