import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { pairingName } from "../src/internal/pairingName.ts"

describe("the name of a pairing", () => {
  it("is unchanged when it fits", () => {
    assert.strictEqual(pairingName("laptop", "head"), "laptop")
    assert.strictEqual(pairingName("é".repeat(50), "tail"), "é".repeat(50))
  })

  it("keeps the last folders of a long directory and the beginning of a long machine name, with a mark", () => {
    const directory = `/home/me/${"nested/".repeat(20)}app`
    const shown = pairingName(directory, "tail")
    assert.strictEqual(shown, `…${directory.slice(-97)}`)
    assert.strictEqual(pairingName(`m${"x".repeat(200)}`, "head"), `m${"x".repeat(96)}…`)
  })

  it("contains no character that changes the line around it", () => {
    assert.strictEqual(pairingName("a\u001b[2Jb\u202ec\nd", "head"), "a [2Jb c d")
  })

  it.effect.prop(
    "is at most 100 bytes long, and well formed",
    [Schema.Array(Schema.Literals(["a", "é", "€", "😀", "\ud800", "\u0000"])), Schema.Literals(["head", "tail"])],
    ([characters, keep]) =>
      Effect.sync(() => {
        const name = pairingName(characters.join("").repeat(9), keep)
        assert.isAtMost(Buffer.byteLength(name), 100)
        assert.isTrue(name.isWellFormed())
      })
  )
})
