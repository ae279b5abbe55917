import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { assert, describe, it, onTestFinished } from "vitest"
import { readLock } from "../src/index.ts"
import { connect, connectHttp, FUNCTIONS, temporaryFolder } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"
import { randomOf } from "./random.ts"

const serve = async (dataDir: string, port: number): Promise<{ child: ChildProcess; url: string }> => {
  const script = fileURLToPath(import.meta.resolve("./fixtures/serve.ts"))
  const child = spawn(process.execPath, [script, dataDir, String(port), FUNCTIONS], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  const [line] = (await once(child.stdout, "data")) as [Buffer]
  return { child, url: line.toString().trim() }
}

/** `pnpm run soak` runs it longer, with moments of its own each time. */
const isSoak = process.env["SOAK"] !== undefined
const ROUNDS = isSoak ? 20 : 3
const MUTATIONS = 100
const seed = isSoak ? Date.now() : 3

describe("durability", () => {
  it(`kill -9 during load loses no acknowledged mutation and applies none twice (seed ${seed})`, async () => {
    const random = randomOf(seed)
    const dataDir = temporaryFolder()
    let { child, url } = await serve(dataDir, 0)
    const port = Number(new URL(url).port)
    const client = connect({ url })
    const results: Array<number> = []
    for (let round = 0; round < ROUNDS; round++) {
      const acknowledged: Array<number> = []
      const enough = Promise.withResolvers<void>()
      const moment = 1 + Math.floor(random() * (MUTATIONS - 10))
      const all = Array.from({ length: MUTATIONS }, async () => {
        const value = await client.mutation(api.counters.add, { name: "n" })
        acknowledged.push(value)
        // Somewhere in the middle of the load, which is on its way all at once.
        if (acknowledged.length === moment) enough.resolve()
        return value
      })
      await enough.promise
      child.kill("SIGKILL")
      await once(child, "exit")
      assert.isNull(readLock(dataDir), "a killed process holds nothing")
      const promised = Math.max(...acknowledged)
      ;({ child, url } = await serve(dataDir, port))
      assert.equal(readLock(dataDir)?.pid, child.pid)
      assert.isAtLeast(await connectHttp({ url }).query(api.counters.read, { name: "n" }), promised)
      results.push(...(await Promise.all(all)))
    }
    assert.equal(new Set(results).size, ROUNDS * MUTATIONS)
    assert.equal(await connectHttp({ url }).query(api.counters.read, { name: "n" }), ROUNDS * MUTATIONS)
  })
})
