import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"

const root = new URL("..", import.meta.url)

/** What an example prints, run by itself as a reader would run it. */
const run = async (name: string): Promise<ReadonlyArray<string>> => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@opencode-worker/source", `examples/${name}.ts`],
    { cwd: root }
  )
  return stdout.trim().split("\n")
}

describe("the examples of the README", { timeout: 30_000 }, () => {
  it("Effect", async () => {
    assert.deepStrictEqual(await run("effect"), [
      "90 callers, 1 fetch",
      "default: Claude 5",
      "by id: Llama 9",
      `No model "anthropic/claud-5" among the 2 known ones. Did you mean anthropic/claude-5?`
    ])
  })

  it("async/await", async () => {
    const [shared, resolved, published] = await run("async-await")
    assert.strictEqual(shared, "90 callers, 1 fetch")
    assert.strictEqual(resolved, "default: Claude 5")
    assert.match(published ?? "", /^publish 1 model under [0-9a-f]{8}$/)
  })

  it("are what the README shows", async () => {
    const [readme, ...examples] = await Promise.all(
      ["README.md", "examples/effect.ts", "examples/async-await.ts"].map((path) =>
        readFile(new URL(path, root), "utf8")
      )
    )
    for (const example of examples) assert.include(readme, example)
  })
})
