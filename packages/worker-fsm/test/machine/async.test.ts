import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { createActor, Machine, MachineError } from "../../src/machine/async.ts"

const State = Schema.TaggedUnion({ Off: {}, On: {}, Gone: {} })
const Event = Schema.TaggedUnion({ Press: {}, Quit: {} })
const machine = Machine.make({
  name: "switch",
  state: State,
  event: Event,
  initial: { _tag: "Off" },
  table: {
    Off: { Press: { to: "On" }, Quit: { to: "Gone" } },
    On: { Press: { to: "Off" } },
    Gone: {}
  }
})

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))

const rejection = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)

describe("createActor", () => {
  it("rejects with the package's own error", async () => {
    await using actor = await createActor(machine)
    await actor.send({ _tag: "Press" })
    const error: unknown = await actor.send({ _tag: "Quit" }).catch((reason: unknown) => reason)
    assert.instanceOf(error, MachineError)
    assert.strictEqual(error.reason._tag, "InvalidTransition")
    assert.deepStrictEqual(actor.state(), { _tag: "On" })
  })

  it("rejects with MachineError after disposal, and with signal.reason after an abort", async () => {
    const actor = await createActor(machine)
    const reason = new Error("the user quit")
    assert.strictEqual(await rejection(actor.send({ _tag: "Press" }, { signal: AbortSignal.abort(reason) })), reason)
    await actor[Symbol.asyncDispose]()
    for (const call of [() => actor.send({ _tag: "Press" }), () => actor.awaitState("On")]) {
      const error = await rejection(call())
      assert.instanceOf(error, MachineError)
      assert.strictEqual(error.reason._tag, "Closed")
    }
    assert.deepStrictEqual(actor.state(), { _tag: "Off" })
  })

  it("rejects with InvalidOption, which names a state that the machine does not have", async () => {
    const misspelt: Promise<unknown> = Reflect.apply(createActor, undefined, [
      machine,
      { activities: { Onn: () => 1 } }
    ])
    assert.include(
      await misspelt.catch(String),
      "Option activities must be one of the states Off, On, Gone, but was Onn."
    )
    await using actor = await createActor(machine)
    const awaited: Promise<unknown> = Reflect.apply(actor.awaitState, undefined, ["Onn"])
    assert.include(await awaited.catch(String), "Option awaitState must be one of the states")
  })

  it.each<[string, unknown]>([
    ["options", null],
    ["activities", { activities: "none" }],
    ["activities.On", { activities: { On: "sleep" } }],
    ["failed", { failed: { _tag: "Press" } }],
    ["historySize", { historySize: "100" }],
    ["onError", { onError: () => undefined }]
  ])("rejects with InvalidOption, which names %s, for %o", async (option, options) => {
    const error = await rejection(Reflect.apply(createActor, undefined, [machine, options]))
    assert.instanceOf(error, MachineError)
    assert.strictEqual(error.reason._tag, "InvalidOption")
    assert.include(error.message, `Option ${option} must be`)
  })

  it("changes end on disposal", async () => {
    const actor = await createActor(machine)
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>()
    const seen: Array<string> = []
    const following = (async () => {
      for await (const state of actor.changes()) {
        seen.push(state._tag)
        if (seen.length === 1) await actor.send({ _tag: "Press" })
        if (seen.length === 2) reach()
      }
    })()
    await reached
    await actor[Symbol.asyncDispose]()
    await following
    assert.deepStrictEqual(seen, ["Off", "On"])
  })

  it("aborts an activity's signal when its state is left", async () => {
    const { promise, resolve } = Promise.withResolvers<string>()
    await using actor = await createActor(machine, {
      activities: { On: (_, { signal }) => aborted(signal).then(() => resolve("aborted")) }
    })
    await actor.send({ _tag: "Press" })
    await actor.send({ _tag: "Press" })
    assert.strictEqual(await promise, "aborted")
  })

  it("aborts the running activity on disposal", async () => {
    const { promise, resolve } = Promise.withResolvers<string>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    {
      await using _actor = await createActor(machine, {
        activities: {
          Off: (_, { signal }) => {
            begin()
            return aborted(signal).then(() => resolve("aborted"))
          }
        }
      })
      await begun
    }
    assert.strictEqual(await promise, "aborted")
  })

  it("lets an activity send the event that ends it", async () => {
    await using actor = await createActor(machine, {
      activities: { On: async (_, { send }) => void (await send({ _tag: "Press" })) }
    })
    await actor.send({ _tag: "Press" })
    assert.deepStrictEqual(await actor.awaitState("Off"), { _tag: "Off" })
  })

  it("sends the event of `failed` after a rejected activity", async () => {
    await using actor = await createActor(machine, {
      activities: { On: () => Promise.reject(new Error("burnt out")) },
      failed: (error) => (error instanceof Error && error.message === "burnt out" ? { _tag: "Press" } : undefined)
    })
    const seen: Array<string> = []
    await actor.send({ _tag: "Press" })
    await actor.awaitState("Off")
    await actor.send({ _tag: "Quit" })
    for await (const state of actor.changes()) seen.push(state._tag)
    assert.deepStrictEqual(seen, ["Gone"])
    const path = actor.history().map(({ event, cause }) => [event._tag, cause])
    assert.deepStrictEqual(path, [
      ["Press", undefined],
      ["Press", "activity"],
      ["Quit", undefined]
    ])
  })
})
