import { assert, describe, it } from "vitest"
import { connect, connectHttp, deploy, deployForAll, emptied, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"

const kindIs = (kind: string) => (state: unknown) =>
  state !== null && typeof state === "object" && "kind" in state && state.kind === kind

const shared = deployForAll()

describe("scheduler", () => {
  it("runs mutations and actions when they are due, in their order", async () => {
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

  it("a cancelled job does not run, and one that its mutation undid neither", async () => {
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

  it("a job that fails says why, and leaves nothing else", async () => {
    const client = connect(await emptied(shared()))
    const id = await client.mutation(api.jobs.schedule, { delay: 0, kind: "failing", name: "failing" })
    const state = await watch(client, api.jobs.state, { id }).until(kindIs("failed"))
    assert.deepEqual(state, { error: "this job fails", kind: "failed" } as never)
    assert.deepEqual(await client.query(api.jobs.events, {}), [])
  })

  it("jobs outlive the process that scheduled them", async () => {
    const first = await deploy()
    await connectHttp(first).mutation(api.jobs.schedule, { delay: 500, kind: "mutation", name: "survivor" })
    await first.close()
    const client = connect(await deploy({ dataDir: first.dataDir }))
    const events = watch(client, api.jobs.events, {})
    assert.deepEqual(await events.until((value) => Array.isArray(value) && value.length === 1), ["survivor"])
  })
})
