import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"
import { temporaryFolder } from "./deployment.ts"

const run = async (url: string): Promise<ReadonlyArray<string>> => {
  const args = ["--conditions=@opencode-worker/source", fileURLToPath(url), temporaryFolder()]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return stdout.trim().split("\n")
}

describe("examples", () => {
  it("async/await", async () => {
    const lines = await run(import.meta.resolve("../examples/async.ts"))
    assert.deepEqual(lines.slice(-2), ["open tasks: write", "open tasks: write, test"])
  })

  it("a deployment for one test, as in the README", async () => {
    const url = import.meta.resolve("../examples/testing.ts")
    assert.deepEqual(await run(url), ["open tasks: 1"])
    const [readme, example] = ["../README.md", url].map((file) => readFileSync(new URL(file, import.meta.url), "utf8"))
    const [snippet] = /const startConvex = [^]*?\n}\n/.exec(example!)!
    assert.include(readme, snippet)
  })

  it("Effect", async () => {
    assert.deepEqual(await run(import.meta.resolve("../examples/effect.ts")), ["open tasks: 1"])
  })
})
