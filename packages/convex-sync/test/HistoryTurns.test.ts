import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { HistoryTurns } from "../src/index.ts"

/** The turns of a session, each with a flag that it still runs. */
const Turns = Schema.Array(Schema.Struct({ goesOn: Schema.Literals([false, false, false, true]) }))
type Turns = typeof Turns.Type

/** As the agent lists them: newest first. */
const listed = (turns: Turns): ReadonlyArray<HistoryTurns.Listed<string>> =>
  turns
    .map(({ goesOn }, index) => ({ id: `p${index}`, ended: goesOn ? Option.none() : Option.some(`turn ${index}`) }))
    .toReversed()

const run = (turns: ReadonlyArray<HistoryTurns.Listed<string>>, newerId?: string) => {
  let state = HistoryTurns.begin(newerId)
  const made: Array<HistoryTurns.Placed<string>> = []
  for (const turn of turns) {
    const [next, placed] = HistoryTurns.step(state, turn)
    state = next
    made.push(...placed)
  }
  return made
}

describe("HistoryTurns", () => {
  it.effect.prop("places each turn that has ended, in order", [Turns], ([turns]) =>
    Effect.sync(() => {
      const expected = turns.flatMap(({ goesOn }, index) => (goesOn ? [] : [`turn ${index}`]))
      assert.deepStrictEqual(
        run(listed(turns)).map(({ turn }) => turn),
        expected.toReversed()
      )
    })
  )

  it.effect.prop("returns the successor of each turn", [Turns], ([turns]) =>
    Effect.sync(() => {
      const made = run(listed(turns), "will come")
      for (const [index, { newerId }] of made.entries()) assert.strictEqual(newerId, made[index - 1]?.id ?? "will come")
    })
  )

  it("returns the running turn as the successor of the last one", () => {
    const goesOn = { id: "b", ended: Option.none() }
    const ended = { id: "a", ended: Option.some("turn") }
    assert.strictEqual(run([goesOn, ended])[0]?.newerId, "b")
  })
})
