import { Actor, Machine } from "@opencode-worker/worker-fsm/machine"
import { Console, Effect, Schema } from "effect"

const State = Schema.TaggedUnion({ Locked: { wrong: Schema.Int }, Open: {}, Alarm: {} })
const Event = Schema.TaggedUnion({ Enter: { code: Schema.String }, Shut: {}, Reset: {} })

const door = Machine.make({
  name: "door",
  state: State,
  event: Event,
  initial: { _tag: "Locked", wrong: 0 },
  table: {
    Locked: {
      Enter: [
        { to: "Open", when: { note: "right", test: (_, { code }) => code === "1234" } },
        { to: "Alarm", when: { note: "third try", test: ({ wrong }) => wrong === 2 } },
        { stay: ({ wrong }) => ({ wrong: wrong + 1 }) }
      ]
    },
    Open: { Shut: { to: "Locked", data: () => ({ wrong: 0 }) } },
    Alarm: { Reset: { to: "Locked", data: () => ({ wrong: 0 }) } }
  }
})

const program = Effect.gen(function* () {
  const actor = yield* Actor.start(door, {
    activities: {
      // Runs while the door is open, and is interrupted when a Shut event arrives first.
      Open: () => Effect.as(Effect.sleep("10 millis"), { _tag: "Shut" })
    }
  })
  yield* Console.log(yield* actor.send({ _tag: "Enter", code: "0000" }))
  yield* Console.log(yield* actor.send({ _tag: "Enter", code: "1234" }))
  yield* Console.log(yield* actor.awaitState("Locked"))
  const refused = yield* Effect.flip(actor.send({ _tag: "Reset" }))
  yield* Console.log(refused.message)
})

await Effect.runPromise(Effect.scoped(program))
