import { assert, layer } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Effect } from "effect"
import { endOf, layerHost, numbered, runPrompt, textOf } from "./support.ts"

const words = 100
const host = layerHost(({ prompt }) => Reply.text(numbered(prompt, words)))

layer(host, { timeout: "60 seconds", excludeTestServices: true })("sessions that stream at once", (it) => {
  it.effect.each([1, 8, 32])(
    "%d: each gets its own text, whole and in order",
    (count) =>
      Effect.gen(function* () {
        const names = Array.from({ length: count }, (_, index) => `session${index}of${count}`)
        const turns = yield* Effect.forEach(names, runPrompt, { concurrency: "unbounded" })
        for (const [index, events] of turns.entries()) {
          assert.strictEqual(textOf(events), numbered(names[index] ?? "", words))
          assert.strictEqual(endOf(events).outcome, "completed")
        }
      }),
    60_000
  )
})
