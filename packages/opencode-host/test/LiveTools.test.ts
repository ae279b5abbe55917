import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { addedTo, reported } from "../src/internal/turn/liveTools.ts"

/** As OpenCode 1.18 reports an output: the last 30,000 characters. */
const shortened = (output: string) => (output.length > 30_000 ? `...\n\n${output.slice(-30_000)}` : output)

describe("the output that a tool added", () => {
  const Sizes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 400 })))

  it.prop("joins to the output, as OpenCode cuts its beginning", [Sizes], ([sizes]) => {
    let output = ""
    let shown = ""
    let before = reported("")
    for (const size of [...sizes, 3, 900, ...sizes]) {
      for (let line = 0; line < size; line++) output += `${output.length} of it\n`
      const now = shortened(output)
      shown += addedTo(before, now)
      before = reported(now)
    }
    // More than 4,096 characters at once leave a mark, and never a wrong text.
    for (const piece of shown.split("…\n")) assert.include(output, piece)
    assert.isTrue(output.endsWith(shown.split("…\n").at(-1) ?? ""))
  })

  it("is known exactly while it is short, and of repeated text at least the end", () => {
    assert.strictEqual(addedTo(reported(""), "a\n"), "a\n")
    assert.strictEqual(addedTo(reported("a\n"), "a\na\n"), "a\n")
    const long = "x\n".repeat(20_000)
    assert.strictEqual(addedTo(reported(shortened(long)), shortened(`${long}y\n`)), "y\n")
    assert.strictEqual(addedTo(reported("z".repeat(30_000)), shortened(long)), `…\n${long.slice(-4_096)}`)
  })
})
