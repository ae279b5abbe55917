import { execFile } from "node:child_process"
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
    assert.deepStrictEqual((await run("effect")).slice(-2), ["completed", '{"text":"Say it again"}'])
  })

  it("async/await", async () => {
    const [refusal, ...counts] = await run("async-await")
    assert.match(refusal ?? "", /^pairing:approve: No worker shows this code/)
    assert.deepStrictEqual(counts, ["0 workers", "1 workers"])
  })
})
