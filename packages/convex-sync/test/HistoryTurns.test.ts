import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { HistoryTurns } from "../src/index.ts"

/** A conversation: each prompt with how many answers it has, how many of them came after the next prompt, and whether it goes on. */
const Conversation = Schema.Array(
  Schema.Struct({
    answers: Schema.Literals([0, 1, 2, 3]),
    late: Schema.Literals([0, 0, 0, 1]),
    goesOn: Schema.Literals([false, false, false, true])
  })
)
type Conversation = typeof Conversation.Type

interface Turn {
  readonly id: string
  readonly answers: ReadonlyArray<string>
}
type Message = HistoryTurns.Listed<string, Turn>

/** As OpenCode lists it, the oldest first. */
const messagesOf = (conversation: Conversation): ReadonlyArray<Message> => {
  const late: Array<Message> = []
  return conversation
    .flatMap(({ answers, goesOn, late: count }, index): ReadonlyArray<Message> => {
      const id = `p${index}`
      const said = Array.from({ length: answers }, (_, at): Message => {
        return { _tag: "Answer", promptId: id, answer: `${id}.${at}` }
      })
      const turn = (all: ReadonlyArray<string>) => (goesOn ? Option.none() : Option.some({ id, answers: all }))
      const before = late.splice(0)
      late.push(...said.splice(said.length - Math.min(count, said.length)))
      return [{ _tag: "Prompt", id, turn }, ...said, ...before]
    })
    .concat(late)
}

const run = (messages: ReadonlyArray<Message>, newerId?: string) => {
  let state = HistoryTurns.begin<string>(newerId)
  const made: Array<HistoryTurns.Placed<Turn>> = []
  for (const message of messages.toReversed()) {
    const [next, turns] = HistoryTurns.step(state, message)
    state = next
    made.push(...turns)
  }
  return made
}

describe("HistoryTurns", () => {
  it.effect.prop(
    "makes a turn of each prompt that has ended, with all its answers in order",
    [Conversation],
    ([conversation]) =>
      Effect.sync(() => {
        const expected = conversation.flatMap(({ answers, goesOn }, index) =>
          goesOn ? [] : [{ id: `p${index}`, answers: Array.from({ length: answers }, (_, at) => `p${index}.${at}`) }]
        )
        assert.deepStrictEqual(
          run(messagesOf(conversation)).map(({ turn }) => turn),
          expected.toReversed()
        )
      })
  )

  it.effect.prop("names the turn that comes after each", [Conversation], ([conversation]) =>
    Effect.sync(() => {
      const made = run(messagesOf(conversation), "will come")
      for (const [index, { newerId }] of made.entries()) assert.strictEqual(newerId, made[index - 1]?.id ?? "will come")
    })
  )

  it("names what goes on where nothing else comes after", () => {
    const goesOn: Message = { _tag: "Prompt", id: "b", turn: () => Option.none() }
    const ended: Message = { _tag: "Prompt", id: "a", turn: (answers) => Option.some({ id: "a", answers }) }
    assert.strictEqual(run([ended, goesOn])[0]?.newerId, "b")
  })

  it("drops answers whose prompt is not there", () => {
    assert.deepStrictEqual(run([{ _tag: "Answer", promptId: "gone", answer: "a" }]), [])
  })
})
