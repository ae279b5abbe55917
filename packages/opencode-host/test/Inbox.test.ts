import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { HostError, HostErrorReason, type HostEvent, type OpenCodeEvent } from "../src/index.ts"
import { concerns } from "../src/internal/turn/concerns.ts"
import { makeInbox } from "../src/internal/turn/inbox.ts"

const parse: (text: string) => OpenCodeEvent = JSON.parse
const event = (name: string, sessionID = "own", properties: object = {}) =>
  parse(JSON.stringify({ id: "evt", type: name, properties: { sessionID, ...properties } }))
const element = (name: string): HostEvent => ({ _tag: "Event", event: event(name) })
const tick = { _tag: "Tick" } as const

describe("the inbox of a turn", () => {
  it.effect("has all signals in order, a reminder once, and wakes its reader", () =>
    Effect.gen(function* () {
      const inbox = makeInbox()
      const taken = yield* Effect.forkChild(inbox.take, { startImmediately: true })
      inbox.event(element("session.idle"))
      assert.deepStrictEqual(yield* Fiber.join(taken), [element("session.idle")])
      inbox.remind(tick)
      inbox.event(element("session.error"))
      inbox.remind(tick)
      assert.deepStrictEqual(yield* inbox.take, [tick, element("session.error")])
    })
  )

  it.effect("drops events beyond the backlog together, and no other signal", () =>
    Effect.gen(function* () {
      const inbox = makeInbox()
      inbox.remind(tick)
      for (let index = 0; index < 8193; index++) inbox.event(element("session.idle"))
      inbox.event(element("session.error"))
      assert.deepStrictEqual(yield* inbox.take, [tick, { _tag: "Gap", cause: "overflow" }, element("session.error")])
    })
  )

  it.effect("fails as a source fails", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const inbox = makeInbox()
        const error = new HostError({ reason: new HostErrorReason.Busy({ sessionId: "own" }) })
        yield* inbox.from(Effect.fail(error))
        assert.strictEqual(yield* Effect.flip(inbox.take), error)
      })
    )
  )
})

const of = (found: OpenCodeEvent, budget?: { readonly tokens: number }) => concerns({ sessionId: "own", budget }, found)

describe("a turn", () => {
  it("reads of other sessions what may be of a sub-agent", () => {
    for (const type of ["message.part.delta", "session.idle", "todo.updated"]) {
      assert.isTrue(of(event(type)), type)
      assert.isFalse(of(event(type, "other")), type)
    }
    for (const type of ["session.updated", "session.diff"]) assert.isFalse(of(event(type)), type)
    assert.isTrue(of(event("permission.asked", "other")))
    assert.isTrue(of(event("message.part.updated", "other", { part: { type: "tool" } })))
    assert.isFalse(of(event("message.part.updated", "other", { part: { type: "text" } })))
    assert.isFalse(of(event("message.updated", "other")))
    assert.isTrue(of(event("message.updated", "other"), { tokens: 1 }))
    assert.isTrue(of({ id: "evt", type: "session.error", properties: {} }))
  })
})
