import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import type { Value } from "convex/values"
import { makeFunctionReference } from "convex/server"
import { assert, describe, it, onTestFinished, vi } from "vitest"
import { Catalog, SCHEDULED_FUNCTIONS } from "../src/internal/storage/catalog.ts"
import { Store } from "../src/internal/storage/store.ts"
import type { SweepPosition } from "../src/internal/values/calls.ts"
import { Transaction } from "../src/internal/query/transaction.ts"
import { insertSystem } from "../src/internal/query/writes.ts"
import { connect, connectHttp, deploy, temporaryFolder, watch } from "./deployment.ts"
import { project } from "./project.ts"

const HOUR = 3_600_000
const DAY = 24 * HOUR
const MiB = 1024 * 1024

const JOBS = `
  import { anyApi } from "convex/server"
  import { internalMutation, mutation, query } from "./_generated/server"
  const now = Date.now
  let days = 0
  Date.now = () => now() + days * ${DAY}
  export const record = internalMutation((ctx) => ctx.db.insert("events", {}))
  export const schedule = mutation((ctx) => ctx.scheduler.runAfter(0, anyApi.jobs.record, {}))
  export const events = query(async (ctx) => (await ctx.db.query("events").collect()).length)
  export const state = query(async (ctx, { id }) => (await ctx.db.system.get(id))?.state ?? null)
  export const oldest = query(async (ctx) => (await ctx.db.system.query("_scheduled_functions").first())?._id)
  export const laterBy = query((_, args) => { days = args.days })
`
const events = makeFunctionReference<"query">("jobs:events")
const state = makeFunctionReference<"query">("jobs:state")
const oldest = makeFunctionReference<"query">("jobs:oldest")
const laterBy = makeFunctionReference<"query">("jobs:laterBy")
const schedule = makeFunctionReference<"mutation", Record<string, never>, string>("jobs:schedule")

const is = (expected: unknown) => (value: unknown) => JSON.stringify(value) === JSON.stringify(expected)

interface LeftJob {
  readonly kind: "success" | "failed" | "canceled" | "pending" | "inProgress"
  readonly scheduled: number
  readonly completed?: number
  readonly bytes?: number
}

/** Stores jobs in a data folder, as a deployment would; times are milliseconds before now. Returns their ids. */
const leaveJobs = (dataDir: string, jobs: ReadonlyArray<LeftJob>): ReadonlyArray<string> => {
  const store = Store.open(join(dataDir, "data.sqlite"), "normal")
  const transaction = new Transaction(store, new Catalog(store), "write", true)
  const ids = jobs.map(({ bytes = 0, completed, kind, scheduled }) =>
    insertSystem(transaction, SCHEDULED_FUNCTIONS, {
      args: [bytes === 0 ? {} : { text: "x".repeat(bytes) }] satisfies Array<Value>,
      ...(completed === undefined ? {} : { completedTime: Date.now() - completed }),
      name: "jobs.js:record",
      scheduledTime: Date.now() - scheduled,
      state: kind === "failed" ? { error: "It failed.", kind } : { kind }
    })
  )
  transaction.commit()
  store.close()
  return ids
}

/** Of the requests of the last test. */
const isOld = (request: number) => request % 2 === 0

describe("retention", () => {
  it("removes more expired rows than one transaction may read, while the deployment serves", async () => {
    const dataDir = temporaryFolder()
    const functions = project({ "jobs.ts": JOBS })
    const kinds = ["success", "failed", "canceled"] as const
    const old = { completed: 8 * DAY, scheduled: 8 * DAY }
    leaveJobs(dataDir, [
      ...Array.from({ length: 3000 }, (_, i) => ({ ...old, kind: kinds[i % 3]! })),
      ...Array.from({ length: 9 }, (_, i) => ({ ...old, bytes: 2 * MiB, kind: kinds[i % 3]! }))
    ])
    const [recent, late, overdue, ...started] = leaveJobs(dataDir, [
      { completed: 6 * DAY, kind: "success", scheduled: 6 * DAY },
      { completed: DAY, kind: "canceled", scheduled: 30 * DAY },
      { kind: "pending", scheduled: 30 * DAY },
      ...Array.from({ length: 9 }, () => ({ bytes: 2 * MiB, kind: "inProgress", scheduled: DAY }) as const)
    ])
    const deployment = await deploy({ dataDir, functions })
    const client = connect(deployment)
    await watch(client, oldest, {}).until(is(recent))
    assert.deepEqual(await client.query(state, { id: late }), { kind: "canceled" })
    assert.deepEqual(await client.query(state, { id: overdue }), { kind: "success" })
    assert.equal(await client.query(events, {}), 1)
    const failed = { error: "The deployment stopped while the action ran.", kind: "failed" }
    for (const id of started) assert.deepEqual(await client.query(state, { id }), failed)
  })

  it("removes jobs a week after their end, and answers to mutations after two weeks", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    onTestFinished(() => void vi.useRealTimers())
    const deployment = await deploy({ functions: project({ "jobs.ts": JOBS }) })
    const http = connectHttp(deployment)
    const folder = temporaryFolder()
    let backups = 0
    const answers = async () => {
      const file = join(folder, `${++backups}.sqlite`)
      await deployment.backup(file)
      using db = new DatabaseSync(file)
      return Number(db.prepare("SELECT count(*) AS count FROM requests").get()!["count"])
    }
    const client = connect(deployment)
    const id = await client.mutation(schedule, {})
    await watch(client, state, { id }).until(is({ kind: "success" }))
    await client.close()
    for (const days of [0, 6]) {
      await http.query(laterBy, { days })
      vi.advanceTimersByTime(HOUR)
      assert.deepEqual(await http.query(state, { id }), { kind: "success" })
    }
    await http.query(laterBy, { days: 8 })
    do vi.advanceTimersByTime(HOUR)
    while ((await http.query(state, { id })) !== null)
    assert.equal(await answers(), 1)
    await http.query(laterBy, { days: 15 })
    do vi.advanceTimersByTime(HOUR)
    while ((await answers()) !== 0)
  })

  it("removes expired answers in steps, and no others", () => {
    const store = Store.open(join(temporaryFolder(), "data.sqlite"), "normal")
    const sessions = ["", "a", "b"]
    const requests = Array.from({ length: 1000 }, (_, i) => i)
    store.begin()
    for (const session of sessions) {
      for (const request of requests) {
        const age = isOld(request) ? 15n : 13n
        const ts = store.nextTs() - age * BigInt(DAY) * 1_000_000n
        store.answers.put({ requestId: request, sessionId: session }, { claim: null, result: "null", ts })
      }
    }
    store.commit(store.nextTs())
    const left = () =>
      sessions.flatMap((session) =>
        requests.filter((request) => store.answers.get({ requestId: request, sessionId: session }) !== null)
      )
    const counts: Array<number> = []
    let place: SweepPosition | null = null
    do {
      place = store.answers.sweep(place, store.nextTs())
      counts.push(left().length)
    } while (place !== null)
    assert.deepEqual(counts, [2500, 2000, 1500, 1500])
    assert.isFalse(left().some(isOld))
    store.close()
  })
})
