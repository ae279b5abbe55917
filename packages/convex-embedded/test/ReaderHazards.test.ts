/** Clients and queries of readers at bad moments. */
import { statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { anyApi } from "convex/server"
import { assert, describe, it, onTestFinished, vi } from "vitest"
import { QuerySet } from "../src/internal/sync/query-set.ts"
import { type Reading, Subscriptions, type Watch } from "../src/internal/threads/subscriptions.ts"
import { ANONYMOUS } from "../src/internal/values/calls.ts"
import { connect, connectHttp, deploy, watch } from "./deployment.ts"
import { project } from "./project.ts"

const things = anyApi["things"]!

/** `held` runs while `process.env.THINGS_HELD` is set; each query returns the thread that ran it, and the number of documents. */
const THINGS = `
  import { mutation, query } from "./_generated/server"
  const { threadId } = process.getBuiltinModule("node:worker_threads")
  const compute = (millis) => {
    const began = process.threadCpuUsage()
    for (let used = 0; used < millis;) {
      const { system, user } = process.threadCpuUsage(began)
      used = (system + user) / 1000
    }
  }
  const count = async (ctx) => [threadId, (await ctx.db.query("things").collect()).length]
  export const long = query(async (ctx) => { compute(25); return count(ctx) })
  export const held = query(async (ctx) => {
    const counted = await count(ctx)
    compute(25)
    process.env.THINGS_RUNNING ??= "yes"
    while (process.env.THINGS_HELD);
    return counted
  })
  export const add = mutation(async (ctx) => { await ctx.db.insert("things", {}) })
  const fs = process.getBuiltinModule("node:fs")
  const { statSync } = fs
  export const reportLongLog = mutation(() => {
    fs.statSync = (...args) => {
      const stats = statSync(...args)
      return String(args[0]).endsWith("-wal") && stats.size > 0 ? { size: 2 ** 30 } : stats
    }
    process.getBuiltinModule("node:module").syncBuiltinESMExports()
  })
`

const deployThings = async () => {
  const functions = project({ "things.ts": THINGS })
  const deployment = await deploy({ functions })
  const http = connectHttp(deployment)
  const [engine] = await http.query(things["long"]!, {})
  while ((await http.query(things["long"]!, {}))[0] === engine);
  // Known to take long from now on.
  await http.query(things["held"]!, {})
  return { deployment, engine, functions, http }
}

const release = () => void delete process.env["THINGS_HELD"]

/** Runs queries of `held` until `release`. */
const holding = async <A>(run: () => A) => {
  process.env["THINGS_HELD"] = "yes"
  onTestFinished(release)
  delete process.env["THINGS_RUNNING"]
  const result = run()
  while (process.env["THINGS_RUNNING"] === undefined) await setTimeout(5)
  return { result }
}

describe("readers", () => {
  it("a reload that fails loses no update of a result of a reader", async () => {
    const { deployment, functions, http } = await deployThings()
    const long = watch(connect(deployment), things["long"]!, {})
    await long.until((seen) => seen[1] === 0)
    writeFileSync(join(functions, "things.ts"), "syntax error")
    assert.propertyVal(await deployment.reload().catch((cause: unknown) => cause), "code", "InvalidFunctions")
    await http.mutation(things["add"]!, {})
    await long.until((seen) => seen[1] === 1)
  })

  it("queries that wait for a reader end with the deployment", async () => {
    const { deployment, http } = await deployThings()
    const { result } = await holding(() =>
      Array.from({ length: 12 }, () => http.query(things["held"]!, {}).catch(() => "closed"))
    )
    await deployment.close()
    release()
    assert.deepEqual(new Set(await Promise.all(result)), new Set(["closed"]))
  })

  it("the write-ahead log is truncated between snapshots", async () => {
    const { deployment, http } = await deployThings()
    const { result } = await holding(() => http.query(things["held"]!, {}))
    await http.mutation(things["reportLongLog"]!, {})
    await http.mutation(things["add"]!, {})
    const long = http.query(things["long"]!, {})
    release()
    assert.equal((await result)[1], 0)
    assert.equal((await long)[1], 1)
    while (statSync(join(deployment.dataDir, "data.sqlite-wal")).size > 0) await setTimeout(5)
  })

  it("a reader does not end while it runs a query, however long it was idle before", async () => {
    const { engine, http } = await deployThings()
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    onTestFinished(() => void vi.useRealTimers())
    await http.query(things["long"]!, {})
    const { result } = await holding(() => http.query(things["held"]!, {}))
    vi.advanceTimersByTime(60_000)
    vi.useRealTimers()
    release()
    assert.notEqual((await result)[0], engine)
  })
})

describe("subscriptions in readers", () => {
  const run = { journal: null, logLines: [], outcome: { json: "1" } }
  const subscriptionsAndClients = () => {
    const subscriptions = new Subscriptions({
      forget: () => undefined,
      run: (requests) => Promise.resolve(requests.map(() => run))
    })
    const inEngine: Watch = async (...[queries, watchers, admit]) => ({
      results: await subscriptions.watch(queries, watchers, admit),
      ts: 1n
    })
    let reads = 0
    /** Calls `meanwhile` while a snapshot is read. */
    const inReader = (meanwhile: () => void, isCurrent = true): Watch => {
      const read: Reading["read"] = async (requests, use) => {
        reads++
        await Promise.resolve().then(meanwhile)
        return use({ adopt: () => isCurrent, runs: requests.map(() => run), ts: 2n })
      }
      return (...watched) => subscriptions.watchInReader(watched, { read, ts: () => 1n })
    }
    const client = (...paths: ReadonlyArray<string>) => {
      const queries = new QuerySet(subscriptions, { hold: () => undefined, onInvalidated: () => undefined })
      const add = (...added: ReadonlyArray<string>) => {
        const modifications = added.map((udfPath) => ({
          args: [{}],
          journal: null,
          queryId: next++,
          type: "Add",
          udfPath
        }))
        queries.modify({ baseVersion: version++, modifications, newVersion: version, type: "ModifyQuerySet" } as never)
      }
      let [next, version] = [0, 0]
      add(...paths)
      return { add, queries }
    }
    return { client, inEngine, inReader, reads: () => reads }
  }

  it("a result that its last client leaves is not used by one that waits for a reader", async () => {
    const { client, inEngine, inReader } = subscriptionsAndClients()
    const [first, second] = [client("short").queries, client("short", "long").queries]
    await first.transition(inEngine)
    assert.isNull(await second.transition(inReader(() => first.dispose())))
    assert.isNotNull(await second.transition(inEngine))
  })

  it("a client whose identity changes gets no results of different times", async () => {
    const { client, inEngine, inReader } = subscriptionsAndClients()
    const { add, queries } = client("short")
    await queries.transition(inEngine)
    add("long")
    assert.isNull(await queries.transition(inReader(() => queries.identify(ANONYMOUS))))
  })

  it.each([
    ["share the result of one reader", true, 0, 1],
    ["do not share an outdated result: one that waited reads again, and the others use the engine", false, 1, 2]
  ] as const)("clients of one query %s", async (_name, isCurrent, inEngine, expected) => {
    const { client, inReader, reads } = subscriptionsAndClients()
    const reader = inReader(() => undefined, isCurrent)
    const transitions = await Promise.all([1, 2, 3].map(() => client("long").queries.transition(reader)))
    assert.equal(transitions.filter((each) => each === null).length, inEngine)
    assert.equal(reads(), expected)
  })
})
