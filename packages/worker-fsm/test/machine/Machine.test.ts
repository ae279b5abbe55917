import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { type Cause, Effect, Result, Schema, type Scope } from "effect"
import { Actor, Machine, type MachineError } from "../../src/machine/index.ts"

class Random {
  declare readonly random: () => number
}

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
  it("applies the first rule whose guard holds", () => {
    assert.deepStrictEqual(after({ _tag: "Off" }, { _tag: "Press", force: 10 }).state, { _tag: "Broken" })
    assert.deepStrictEqual(after({ _tag: "Off" }, { _tag: "Press", force: 1 }).state, { _tag: "On", level: 3 })
  })

  it("stays with new fields, or with the same state", () => {
    const dimmed = after({ _tag: "On", level: 3 }, { _tag: "Dim" })
    assert.deepStrictEqual(dimmed, { state: { _tag: "On", level: 2 }, entered: false })
    const broken: Lamp = { _tag: "Broken" }
    const dropped = after(broken, { _tag: "Drop" })
    assert.strictEqual(dropped.state, broken)
    assert.isFalse(dropped.entered)
  })

  it("names the state, the event and the allowed events when it rejects", () => {
    const error = refusal({ _tag: "Off" }, { _tag: "Dim" })
    assert.deepInclude(error.reason, {
      _tag: "InvalidTransition",
      machine: "lamp",
      state: "Off",
      event: "Dim",
      allowed: ["Press", "Drop"]
    })
    assert.strictEqual(error.message, "lamp: state Off does not accept Dim. It accepts Press, Drop.")
  })

  it("names the guards as the cause when they reject", () => {
    const error = refusal({ _tag: "Off" }, { _tag: "Press", force: 0 })
    assert.strictEqual(error.message, "lamp: every guard of Press rejected it in state Off.")
  })

  it("rejects names that only an object's prototype has", () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a caller without types could send
    const odd = { _tag: "constructor" } as never
    assert.isTrue(Result.isFailure(Machine.transition(lamp, { _tag: "Off" }, odd)))
    assert.isTrue(Result.isFailure(Machine.transition(lamp, odd, { _tag: "Drop" })))
  })
})

describe("Machine", () => {
  it("lists its final states and the events of a state", () => {
    assert.isTrue(Machine.isFinal(lamp, "Broken"))
    assert.isFalse(Machine.isFinal(lamp, "On"))
    assert.deepStrictEqual(Machine.allowed(lamp, "On"), ["Press", "Dim", "Drop"])
  })

  it("draws a diagram", () => {
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

  it("infers states and events from types alone", () => {
    type Door = { readonly _tag: "Open" } | { readonly _tag: "Locked"; readonly code: string }
    const door = Machine.make({
      name: "door",
      state: Machine.type<Door>(),
      event: Machine.type<{ readonly _tag: "Lock"; readonly code: string }>(),
      initial: { _tag: "Open" },
      table: { Open: { Lock: { to: "Locked", data: (_, { code }) => ({ code }) } }, Locked: {} }
    })
    expectTypeOf(door.initial).toEqualTypeOf<Door>()
    const { state } = Result.getOrThrow(Machine.transition(door, door.initial, { _tag: "Lock", code: "1234" }))
    assert.deepStrictEqual(state, { _tag: "Locked", code: "1234" })
  })

  it("an activity's errors and services are those of the actor", () => {
    const activities = {
      On: (): Effect.Effect<Touch, "burnt out", Scope.Scope | Random> => Effect.fail("burnt out")
    }
    const started = Actor.start(lamp, {
      activities,
      failed: (cause) => {
        expectTypeOf(cause).toEqualTypeOf<Cause.Cause<"burnt out">>()
        return { _tag: "Drop" }
      }
    })
    expectTypeOf(started).toEqualTypeOf<Effect.Effect<Actor.Actor<Lamp, Touch>, never, Scope.Scope | Random>>()
    expectTypeOf<ReturnType<Actor.Actor<Lamp, Touch>["awaitState"]>>().toExtend<Effect.Effect<Lamp, MachineError>>()
  })

  it("does not compile when the table is incomplete", () => {
    const Off = { Press: { to: "Off" }, Dim: { to: "Off" }, Drop: { to: "Broken" } } as const
    // @ts-expect-error the state Broken has no row
    Machine.make({ ...vocabulary, table: { Off, On: {} } })
    // @ts-expect-error no state accepts Dim
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
