/** The examples in the help of the commands. */
import { assert, describe, it } from "vitest"
import { descriptions } from "../../src/commands/descriptions.ts"
import { examples } from "../../src/commands/examples.ts"

const main = "dev start send chat inbox allow sessions turns workers login service config doctor".split(" ")

describe("examples", () => {
  it("exist for the main commands", () => {
    assert.containsAllKeys(examples, main)
  })

  it("name commands that exist", () => {
    const words = Object.values(examples).flatMap((all) => all.map(({ command }) => command.split(" ")))
    for (const [program, name = ""] of words) {
      assert.strictEqual(program, "opencode-worker")
      assert.property(descriptions, name)
    }
  })
})
