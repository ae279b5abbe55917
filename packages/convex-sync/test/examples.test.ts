import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { assert, it } from "vitest"

it("examples/effect.ts answers a prompt", { timeout: 30_000 }, async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@opencode-worker/source", "examples/effect.ts"],
    { cwd: new URL("..", import.meta.url) }
  )
  assert.deepStrictEqual(stdout.trim().split("\n").slice(-2), ["completed", '{"text":"Say it again"}'])
})
