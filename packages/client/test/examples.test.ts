import { execFile } from "node:child_process"
import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"
import { createClient } from "../src/index.ts"
import { nextTurn, pairedWorker, useDeployment } from "./support/deployment.ts"

const root = join(import.meta.dirname, "..")
const readme = readFileSync(join(root, "README.md"), "utf8")
const deployment = useDeployment()

/** The output of an example, whose prompt a worker answers in two pieces. */
const run = async (name: string): Promise<ReadonlyArray<string>> => {
  const { token, url } = deployment()
  const subject = randomUUID()
  await using operator = createClient({ url, auth: () => token(subject) })
  const worker = await pairedWorker(deployment(), operator)
  const finished = promisify(execFile)(
    process.execPath,
    ["--conditions=@opencode-worker/source", `examples/${name}.ts`],
    { cwd: root, env: { ...process.env, OPENCODE_WORKER_URL: url, OPENCODE_WORKER_TOKEN: await token(subject) } }
  )
  await worker.answer(await nextTurn(deployment(), worker.signed), "Hello", ", world")
  const { stdout } = await finished
  return stdout.trim().split("\n")
}

describe("the examples", { timeout: 120_000 }, () => {
  it("async.ts prints the answer and its end", async () => {
    assert.deepStrictEqual((await run("async")).slice(-2), ["completed Hello, world", "completed test/echo"])
  })

  it("effect.ts prints the answer", async () => {
    assert.strictEqual((await run("effect")).at(-1), "completed Hello, world")
  })

  it("the README shows them unchanged", () => {
    for (const name of ["async", "effect"]) {
      const lines = readFileSync(join(root, `examples/${name}.ts`), "utf8")
        .trim()
        .split("\n")
      assert.include(readme, lines.slice(1).join("\n"))
    }
  })
})
