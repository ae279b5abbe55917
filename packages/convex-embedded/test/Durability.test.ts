import { once } from "node:events"
import { anyApi } from "convex/server"
import { assert, describe, it } from "vitest"
import { readHolder } from "../src/internal/storage/holder.ts"
import { connect, connectHttp, deploy, temporaryFolder } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"
import { project } from "./project.ts"
import { randomOf } from "./random.ts"
import { serve } from "./served.ts"

/** `pnpm run soak` runs it longer, with moments of its own each time. */
const isSoak = process.env["SOAK"] !== undefined
const ROUNDS = isSoak ? 20 : 3
const MUTATIONS = 100
const seed = isSoak ? Date.now() : 3

describe("durability", () => {
  it(`kill -9 during load loses no acknowledged mutation and applies none twice (seed ${seed})`, async () => {
    const random = randomOf(seed)
    const dataDir = temporaryFolder()
    let { child, url } = await serve({ dataDir })
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
      const promised = Math.max(...acknowledged)
      ;({ child, url } = await serve({ dataDir, port }))
      assert.equal(readHolder(dataDir)?.pid, child.pid)
      assert.isAtLeast(await connectHttp({ url }).query(api.counters.read, { name: "n" }), promised)
      results.push(...(await Promise.all(all)))
    }
    assert.equal(new Set(results).size, ROUNDS * MUTATIONS)
    assert.equal(await connectHttp({ url }).query(api.counters.read, { name: "n" }), ROUNDS * MUTATIONS)
  })

  it("answers wait for the disk; batched mutations share one sync", async () => {
    const deployment = await deploy({ durability: "full", functions: project({ "disk.ts": DISK }) })
    const client = connect(deployment)
    const times = () => connectHttp(deployment).query(anyApi["disk"]!["times"]!)
    const write = () => client.mutation(anyApi["disk"]!["write"]!, {})
    await write()
    const before = await times()
    for (const alone of [1, 2, 3]) {
      await write()
      assert.equal(await times(), before + alone)
    }
    await Promise.all(Array.from({ length: 100 }, write))
    assert.isBelow(await times(), before + 3 + 20)
  })

  it("after a disk failure every call fails", async () => {
    const dataDir = temporaryFolder()
    const functions = project({ "disk.ts": DISK })
    const deployment = await deploy({ dataDir, durability: "full", functions })
    const [client, http] = [connect(deployment), connectHttp(deployment)]
    const long = () => http.query(anyApi["disk"]!["long"]!, {})
    const engine = await long()
    while ((await long()) === engine);
    await http.mutation(anyApi["disk"]!["fail"]!, {})
    for (let attempt = 0; attempt < 3; attempt++) {
      const failure = await client.mutation(anyApi["disk"]!["write"]!, {}).then(String, String)
      assert.include(failure, "The disk failed")
    }
    assert.include(await long().then(String, String), "The disk failed")
    await deployment.close()
    const again = connectHttp(await deploy({ dataDir, functions }))
    assert.isAtMost(Number(await again.query(anyApi["disk"]!["written"]!)), 1)
  })
})

/** Counts the ways to the disk from within the thread that has the store, and lets the next one fail. */
const DISK = `
  import { mutation, query } from "./_generated/server"
  const fs = process.getBuiltinModule("node:fs")
  const { fdatasyncSync } = fs
  let [count, fails] = [0, false]
  fs.fdatasyncSync = (file) => {
    count++
    if (!fails) return fdatasyncSync(file)
    fails = false
    throw new Error("EIO")
  }
  process.getBuiltinModule("node:module").syncBuiltinESMExports()
  export const times = query(() => count)
  export const written = query(async (ctx) => (await ctx.db.query("things").collect()).length)
  export const fail = mutation(() => { fails = true })
  /** Takes long, so it runs in a reader. Returns the number of its thread. */
  export const long = query(async (ctx) => {
    const began = process.threadCpuUsage()
    while (process.threadCpuUsage(began).user < 25_000);
    return process.getBuiltinModule("node:worker_threads").threadId
  })
  export const write = mutation((ctx) => ctx.db.insert("things", {}))
`
