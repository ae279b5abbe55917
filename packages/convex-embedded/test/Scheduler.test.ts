import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { makeFunctionReference } from "convex/server"
import { assert, describe, it, onTestFinished, vi } from "vitest"
import { connect, connectHttp, deploy, deployForAll, emptied, temporaryFolder, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"
import { project } from "./project.ts"
import { randomOf } from "./random.ts"

const kindIs = (kind: string) => (state: unknown) =>
  state !== null && typeof state === "object" && "kind" in state && state.kind === kind

const shared = deployForAll()

describe("scheduler", () => {
  it("runs mutations and actions in order when they are due", async () => {
    const client = connect(await emptied(shared()))
    const events = watch(client, api.jobs.events, {})
    const later = await client.mutation(api.jobs.schedule, { delay: 1500, kind: "mutation", name: "later" })
    await client.mutation(api.jobs.schedule, { delay: 0, kind: "mutation", name: "first" })
    await events.until((value) => Array.isArray(value) && value.length === 1)
    assert.deepEqual(events.latest(), ["first"])
    assert.deepEqual(await client.query(api.jobs.state, { id: later }), { kind: "pending" })
    const action = await client.mutation(api.jobs.schedule, { delay: 0, kind: "action", name: "action" })
    await client.action(api.jobs.scheduleFromAction, { name: "from action" })
    await events.until((value) => Array.isArray(value) && value.length === 4)
    assert.deepEqual(new Set(events.latest() as Array<string>), new Set(["first", "later", "action", "from action"]))
    for (const id of [later, action]) await watch(client, api.jobs.state, { id }).until(kindIs("success"))
  })

  it("a cancelled job does not run, nor does a job whose mutation was rolled back", async () => {
    const client = connect(await emptied(shared()))
    const id = await client.mutation(api.jobs.schedule, { delay: 60_000, kind: "mutation", name: "cancelled" })
    await client.mutation(api.jobs.cancel, { id })
    assert.deepEqual(await client.query(api.jobs.state, { id }), { kind: "canceled" })
    const undone = await client.mutation(api.jobs.scheduleThenFail, { name: "undone" }).then(
      () => false,
      () => true
    )
    assert.isTrue(undone)
    const done = await client.mutation(api.jobs.schedule, { delay: 0, kind: "mutation", name: "done" })
    await watch(client, api.jobs.state, { id: done }).until(kindIs("success"))
    assert.deepEqual(await client.query(api.jobs.events, {}), ["done"])
  })

  it("a failed job stores its error, and is rolled back", async () => {
    const client = connect(await emptied(shared()))
    const id = await client.mutation(api.jobs.schedule, { delay: 0, kind: "failing", name: "failing" })
    const state = await watch(client, api.jobs.state, { id }).until(kindIs("failed"))
    assert.deepEqual(state, { error: "this job fails", kind: "failed" } as never)
    assert.deepEqual(await client.query(api.jobs.events, {}), [])
  })

  it("has one timer, however many jobs are scheduled at once, and none after the end of the deployment", async () => {
    const started = vi.spyOn(globalThis, "setTimeout")
    const ended = vi.spyOn(globalThis, "clearTimeout")
    onTestFinished(() => void vi.restoreAllMocks())
    const deployment = await deploy()
    const client = connect(deployment)
    const schedule = () => client.mutation(api.jobs.schedule, { delay: 7_200_000, kind: "mutation", name: "later" })
    for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 5 }, schedule))
    const timers = started.mock.results.filter((_, i) => (started.mock.calls[i]?.[1] ?? 0) > 7_000_000)
    const left = () => timers.filter(({ value }) => !ended.mock.calls.some(([timer]) => timer === value))
    assert.isNotEmpty(timers)
    assert.isAtMost(left().length, 1)
    await client.close()
    await deployment.close()
    assert.isEmpty(left())
  })

  it("jobs outlive the process that scheduled them", async () => {
    const first = await deploy()
    await connectHttp(first).mutation(api.jobs.schedule, { delay: 500, kind: "mutation", name: "survivor" })
    await first.close()
    const client = connect(await deploy({ dataDir: first.dataDir }))
    const events = watch(client, api.jobs.events, {})
    assert.deepEqual(await events.until((value) => Array.isArray(value) && value.length === 1), ["survivor"])
  })

  it("a committed mutation succeeds even if its thread ends before the answer", async () => {
    const deployment = await deploy({ durability: "full", functions: project({ "jobs.ts": ENDING }) })
    const client = connect(deployment)
    const [id, next] = await client.mutation(ending.schedule, {})
    await watch(client, ending.state, { id: next }).until(kindIs("success"))
    assert.deepEqual(await client.query(ending.state, { id }), { kind: "success" })
    assert.deepEqual(await client.query(ending.events, {}), ["ending", "next"])
  })

  it("after kill -9 each mutation takes effect once, and a started action is marked as failed", async () => {
    const random = randomOf(7)
    const dataDir = temporaryFolder()
    const functions = project({ "work.ts": WORK })
    for (let round = 0; round < KILLS; round++) {
      const { child, url } = await serve(dataDir, functions)
      const client = connect({ url })
      const events = watch(client, work.events, { round })
      await client.mutation(work.hangs, { round })
      await events.until((value) => Array.isArray(value) && value.length === 1)
      await client.mutation(work.schedule, { count: JOBS, round })
      const moment = 10 + Math.floor(random() * (JOBS / 3))
      await events.until((value) => Array.isArray(value) && value.length >= moment)
      child.kill("SIGKILL")
      await once(child, "exit")
      await client.close()
      assert.isBelow((events.latest() as Array<string>).length, JOBS, "it was killed while jobs ran")
    }
    const { url } = await serve(dataDir, functions)
    const client = connect({ url })
    const ended = await watch(client, work.jobs, {}).until(
      (jobs) =>
        Array.isArray(jobs) && !jobs.some(({ state }) => kindIs("pending")(state) || kindIs("inProgress")(state))
    )
    const counts = await client.query(work.counts, {})
    const jobs = ended as ReadonlyArray<LeftJob>
    assert.equal(jobs.length, KILLS * (JOBS + 1))
    for (const { kind, state } of jobs) {
      const count = counts[kind] ?? 0
      if (kind.startsWith("hanging")) assert.equal(count, 1, kind)
      if (state.kind === "success") assert.equal(count, 1, kind)
      else {
        assert.notInclude(kind, "mutation")
        assert.deepEqual(state, { error: "The deployment stopped while the action ran.", kind: "failed" })
        assert.isAtMost(count, 1, kind)
      }
    }
    assert.equal(jobs.filter(({ kind, state }) => kind.startsWith("hanging") && state.kind === "failed").length, KILLS)
  })
})

const KILLS = 2
const JOBS = 150

const serve = async (dataDir: string, functions: string): Promise<{ child: ChildProcess; url: string }> => {
  const script = fileURLToPath(import.meta.resolve("./fixtures/serve.ts"))
  const child = spawn(process.execPath, [script, dataDir, "0", functions], { stdio: ["ignore", "pipe", "inherit"] })
  onTestFinished(() => void child.kill("SIGKILL"))
  const [line] = (await once(child.stdout, "data")) as [Buffer]
  return { child, url: line.toString().trim() }
}

const work = {
  counts: makeFunctionReference<"query", Record<string, never>, Record<string, number>>("work:counts"),
  events: makeFunctionReference<"query", { round: number }, Array<string>>("work:events"),
  hangs: makeFunctionReference<"mutation", { round: number }>("work:hangs"),
  jobs: makeFunctionReference<"query", Record<string, never>, Array<LeftJob>>("work:jobs"),
  schedule: makeFunctionReference<"mutation", { count: number; round: number }>("work:schedule")
}

interface LeftJob {
  readonly kind: string
  readonly state: { readonly kind: string; readonly error?: string }
}

/** In each round an action that never ends, and mutations with actions among them. */
const WORK = `
  import { anyApi } from "convex/server"
  import { internalAction, internalMutation, mutation, query } from "./_generated/server"
  const { work } = anyApi
  export const hangs = mutation((ctx, { round }) => ctx.scheduler.runAfter(0, work.hang, { kind: "hanging " + round, round }))
  export const schedule = mutation(async (ctx, { count, round }) => {
    for (let i = 0; i < count; i++) {
      const isAction = i % 5 === 0
      const kind = (isAction ? "action " : "mutation ") + round + " " + i
      await ctx.scheduler.runAfter(0, isAction ? work.act : work.record, { kind, round })
    }
  })
  export const record = internalMutation((ctx, { kind, round }) => ctx.db.insert("events", { kind, round }))
  export const act = internalAction(async (ctx, args) => {
    await ctx.runMutation(work.record, args)
    await ctx.runQuery(work.events, { round: args.round })
  })
  export const hang = internalAction(async (ctx, args) => {
    await ctx.runMutation(work.record, args)
    await new Promise(() => undefined)
  })
  export const events = query(async (ctx, { round }) =>
    (await ctx.db.query("events").collect()).filter((event) => event.round === round).map(({ kind }) => kind)
  )
  export const counts = query(async (ctx) => {
    const counts = {}
    for (const { kind } of await ctx.db.query("events").collect()) counts[kind] = (counts[kind] ?? 0) + 1
    return counts
  })
  export const jobs = query(async (ctx) =>
    (await ctx.db.system.query("_scheduled_functions").collect()).map(({ args, state }) => ({ kind: args[0].kind, state }))
  )
`

const ending = {
  events: makeFunctionReference<"query", Record<string, never>, Array<string>>("jobs:events"),
  schedule: makeFunctionReference<"mutation", Record<string, never>, [string, string]>("jobs:schedule"),
  state: makeFunctionReference<"query", { id: string }>("jobs:state")
}

/** The thread of the first mutation ends during the disk sync, after its commit and before its answer. */
const ENDING = `
  import { anyApi } from "convex/server"
  import { internalMutation, mutation, query } from "./_generated/server"
  const fs = process.getBuiltinModule("node:fs")
  const { fdatasyncSync } = fs
  let ends = false
  fs.fdatasyncSync = (file) => {
    if (ends) process.exit()
    fdatasyncSync(file)
  }
  process.getBuiltinModule("node:module").syncBuiltinESMExports()
  export const record = internalMutation(async (ctx, { kind }) => {
    await ctx.db.insert("events", { kind })
    ends = kind === "ending"
  })
  export const schedule = mutation(async (ctx) => [
    await ctx.scheduler.runAfter(0, anyApi.jobs.record, { kind: "ending" }),
    await ctx.scheduler.runAfter(0, anyApi.jobs.record, { kind: "next" })
  ])
  export const state = query(async (ctx, { id }) => (await ctx.db.system.get(id)).state)
  export const events = query(async (ctx) => (await ctx.db.query("events").collect()).map(({ kind }) => kind))
`
