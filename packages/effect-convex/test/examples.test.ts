import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { assert, describe, it } from "vitest"

const root = join(import.meta.dirname, "..")
const readme = readFileSync(join(root, "README.md"), "utf8")

/** The output of an example that runs against a new deployment of `examples/convex`. */
const run = async (name: string): Promise<ReadonlyArray<string>> => {
  const dataDir = mkdtempSync(join(tmpdir(), "effect-convex-example-"))
  try {
    await using deployment = await ConvexEmbedded.make({ functions: join(root, "examples/convex"), dataDir })
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--conditions=@opencode-worker/source", `examples/${name}.ts`],
      { cwd: root, env: { ...process.env, CONVEX_URL: deployment.url } }
    )
    return stdout.trim().split("\n")
  } finally {
    rmSync(dataDir, { force: true, recursive: true })
  }
}

/** The example without its comments and its imports of other modules, as the README shows it. */
const inReadme = (name: string) => {
  const lines = readFileSync(join(root, `examples/${name}.ts`), "utf8")
    .trim()
    .split("\n")
  return readme.includes(lines.filter((line) => !line.startsWith("/**")).join("\n"))
}

describe("the examples", { timeout: 120_000 }, () => {
  it("effect.ts sends a message and renders the list", async () => {
    assert.deepStrictEqual(await run("effect"), ["1 messages: hi"])
  })

  it("async.ts renders each list until it leaves the loop", async () => {
    assert.deepStrictEqual(await run("async"), ["0 messages: ", "1 messages: hi"])
  })

  it("the README shows them unchanged", () => {
    assert.isTrue(inReadme("effect"))
    assert.isTrue(inReadme("async"))
  })
})
