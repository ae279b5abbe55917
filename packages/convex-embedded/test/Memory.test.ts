import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"
import { bundledFunctions, temporaryFolder } from "./deployment.ts"

interface Heaps {
  readonly deployment: ReadonlyArray<number>
  readonly engine: Record<"before" | "watching" | "rewatched" | "forgotten", number>
  readonly rss: number
}

const MiB = 1024 * 1024
const SUBSCRIPTIONS = 1000
const DOCUMENTS = process.env["SOAK"] === undefined ? 5000 : 100_000

describe("memory", () => {
  it(
    `is bounded with ${DOCUMENTS} documents and ${SUBSCRIPTIONS} different subscriptions`,
    { timeout: 180_000 },
    async () => {
      const script = fileURLToPath(import.meta.resolve("./fixtures/memory.ts"))
      const args = ["--expose-gc", script]
      const { stdout } = await promisify(execFile)(process.execPath, [
        ...args,
        temporaryFolder(),
        await bundledFunctions(),
        String(DOCUMENTS)
      ])
      const { deployment, engine, rss } = JSON.parse(stdout) as Heaps
      const [, second, , fourth] = deployment
      assert.isBelow(fourth! - second!, 1 * MiB, "clients that are gone leave nothing behind")
      assert.isBelow((engine.watching - engine.before) / SUBSCRIPTIONS, 4096, "bytes that one result depends on")
      assert.isBelow(engine.rewatched - engine.watching, 1 * MiB, "outdated results leave nothing behind")
      assert.isBelow(engine.forgotten - engine.before, 1 * MiB, "unwatched results are released")
      assert.isBelow(rss, 600 * MiB)
    }
  )
})
