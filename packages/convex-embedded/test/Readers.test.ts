import { execFile } from "node:child_process"
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { promisify } from "node:util"
import type { ConvexClient } from "convex/browser"
import { assert, describe, it, onTestFinished } from "vitest"
import { ConvexEmbedded } from "../src/index.ts"
import { connect, connectHttp, deploy, FUNCTIONS, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"

type Deployment = Awaited<ReturnType<typeof deploy>>

/** Starts a query that computes until `release` is called. Resolves when it runs. */
const hold = async (client: ConvexClient, name: string) => {
  const signal = `HELD_${randomUUID()}`
  const release = () => void (process.env[signal] = "released")
  const result = client.query(api.slow.held, { name, signal })
  result.catch(() => undefined)
  onTestFinished(() => void delete process.env[signal])
  while (process.env[signal] !== "running") await setTimeout(5)
  return { release, result }
}

/** Resolves when a query that takes long holds up no other one: the first one runs in the engine, and a reader starts. */
const untilReaderRuns = async (deployment: Deployment) => {
  const [holder, other] = [connect(deployment), connect(deployment)]
  for (;;) {
    const { release, result } = await hold(holder, "none")
    const mutated = other.mutation(api.counters.add, { name: "unrelated" }).then(() => true)
    const isFree = await Promise.race([mutated, setTimeout(300, false)])
    release()
    await Promise.allSettled([result, mutated])
    if (isFree) return
  }
}

const isAt = (value: number) => (seen: unknown) => JSON.stringify(seen) === `{"after":${value},"before":${value}}`

describe("a query that takes long", () => {
  it("runs at the same time as queries, mutations and subscriptions of other clients, in one snapshot", async () => {
    const deployment = await deploy()
    await untilReaderRuns(deployment)
    const [holder, other] = [connect(deployment), connect(deployment)]
    const { release, result } = await hold(holder, "n")
    const counter = watch(other, api.counters.read, { name: "n" })
    await counter.until((value) => value === 0)
    assert.equal(await other.mutation(api.counters.add, { name: "n" }), 1)
    assert.equal(counter.latest(), 1)
    assert.equal(await connectHttp(deployment).query(api.counters.read, { name: "n" }), 1)
    release()
    assert.deepEqual(await result, { after: 0, before: 0 })
    assert.equal(await holder.query(api.slow.counter, { millis: 25, name: "n" }), 1)
  })

  it("is run again if a write changes what it reads, while it runs or later", async () => {
    const deployment = await deploy()
    await untilReaderRuns(deployment)
    const [watcher, other] = [connect(deployment), connect(deployment)]
    const signal = `HELD_${randomUUID()}`
    onTestFinished(() => void delete process.env[signal])
    const held = watch(watcher, api.slow.held, { name: "n", signal })
    while (process.env[signal] !== "running") await setTimeout(5)
    assert.equal(await other.mutation(api.counters.add, { name: "n" }), 1)
    process.env[signal] = "released"
    await held.until(isAt(1))
    await other.mutation(api.counters.add, { name: "n" })
    await held.until(isAt(2))
    assert.equal(watcher.connectionState().connectionRetries, 0)
  })

  it("is of the same time as the other queries of its client", async () => {
    const deployment = await deploy()
    await untilReaderRuns(deployment)
    const client = connect(deployment)
    const [from, to] = [
      watch(client, api.slow.counter, { millis: 25, name: "from" }),
      watch(client, api.counters.read, { name: "to" })
    ]
    await Promise.all([from.until((value) => value === 0), to.until((value) => value === 0)])
    const sums: Array<number> = []
    const stop = client.client.addOnTransitionHandler(() => {
      const source = client.client.localQueryResult("slow:counter", { millis: 25, name: "from" }) as number
      sums.push(source + (client.client.localQueryResult("counters:read", { name: "to" }) as number))
    })
    const other = connectHttp(deployment)
    for (let i = 0; i < 20; i++) await other.mutation(api.counters.transfer, { from: "from", to: "to" })
    await Promise.all([to.until((value) => value === 20), from.until((value) => value === -20)])
    // A mutation of its own resolves when its results are there.
    await client.mutation(api.counters.transfer, { from: "from", to: "to" })
    assert.deepEqual([from.latest(), to.latest()], [-21, 21])
    stop()
    assert.isNotEmpty(sums)
    assert.isTrue(sums.every((sum) => sum === 0))
  })

  it("is ended if it hangs, and others go on", async () => {
    const deployment = await deploy({ userTimeLimit: 1500 })
    await untilReaderRuns(deployment)
    const [holder, other] = [connect(deployment), connect(deployment)]
    const counter = watch(other, api.counters.read, { name: "n" })
    await counter.until((value) => value === 0)
    const { result } = await hold(holder, "n")
    assert.equal(await other.mutation(api.counters.add, { name: "n" }), 1)
    const failure = await result.then(
      () => assert.fail("it should have been ended"),
      (cause: Error) => cause
    )
    assert.include(failure.message, "Function execution timed out")
    assert.equal(await other.mutation(api.counters.add, { name: "n" }), 2)
    assert.deepEqual(counter.seen, [0, 1, 2])
    assert.equal(await holder.query(api.slow.counter, { millis: 25, name: "n" }), 2)
  })

  it("survives a mutation that hangs the engine, a reload, and a table that does not exist yet", async () => {
    const deployment = await deploy({ functions: FUNCTIONS, userTimeLimit: 3000 })
    await untilReaderRuns(deployment)
    const [client, other] = [connect(deployment), connect(deployment)]
    const slow = watch(client, api.slow.counter, { millis: 25, name: "n" })
    await slow.until((value) => value === 0)
    const stuck = await other.mutation(api.stuck.writing, { name: "n" }).catch((cause: Error) => cause)
    assert.include((stuck as Error).message, "Function execution timed out")
    await other.mutation(api.counters.add, { name: "n" })
    await slow.until((value) => value === 1)
    await untilReaderRuns(deployment)
    for (const table of ["one", "two"]) assert.equal(await client.query(api.slow.inTable, { table }), 0)
    await deployment.reload()
    await other.mutation(api.counters.add, { name: "n" })
    await slow.until((value) => value === 2)
    await untilReaderRuns(deployment)
    assert.equal(client.connectionState().connectionRetries, 0)
  })

  it("leaves the data folder locked for other deployments and processes", async () => {
    const deployment = await deploy()
    await untilReaderRuns(deployment)
    const { dataDir } = deployment
    const second = await ConvexEmbedded.make({ dataDir, functions: FUNCTIONS }).catch((cause: unknown) => cause)
    assert.propertyVal(second, "code", "DataInUse")
    const file = JSON.stringify(join(dataDir, "data.sqlite-lock"))
    const script = `new (require("node:sqlite").DatabaseSync)(${file}).exec("BEGIN EXCLUSIVE")`
    const locked = await promisify(execFile)(process.execPath, ["-e", script]).catch((cause: unknown) => cause)
    assert.include(String(locked), "database is locked")
    await deployment.close()
    await promisify(execFile)(process.execPath, ["-e", script])
  })
})
