import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { assert, describe, it, onTestFinished } from "vitest"
import { readLock } from "../src/index.ts"
import { connect, connectHttp, FUNCTIONS, temporaryFolder } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"

const serve = async (dataDir: string, port: number): Promise<{ child: ChildProcess; url: string }> => {
  const script = fileURLToPath(import.meta.resolve("./fixtures/serve.ts"))
  const child = spawn(process.execPath, [script, dataDir, String(port), FUNCTIONS], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  const [line] = (await once(child.stdout, "data")) as [Buffer]
  return { child, url: line.toString().trim() }
}

const ROUNDS = 3
const MUTATIONS = 150

describe("durability", () => {
  it("kill -9 during load loses no acknowledged mutation and applies none twice", async () => {
    const dataDir = temporaryFolder()
    let { child, url } = await serve(dataDir, 0)
    const port = Number(new URL(url).port)
    const client = connect({ url })
    const results: Array<number> = []
    for (let round = 0; round < ROUNDS; round++) {
      const acknowledged: Array<number> = []
      const enough = Promise.withResolvers<void>()
      const all = Array.from({ length: MUTATIONS }, async () => {
        const value = await client.mutation(api.counters.add, { name: "n" })
        acknowledged.push(value)
        // Somewhere in the middle of the load, which is on its way all at once.
        if (acknowledged.length === 20 + ((40 * round) % 120)) enough.resolve()
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
