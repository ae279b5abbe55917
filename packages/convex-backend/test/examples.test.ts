import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, it } from "vitest"

it("the README's example runs", { timeout: 120_000 }, async () => {
  const example = join(import.meta.dirname, "../examples/conversation.ts")
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, ["--conditions=@opencode-worker/source", example])
  assert.include(stdout, "You asked: What is in here?")
})
