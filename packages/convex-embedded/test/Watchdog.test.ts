import { assert, describe, it, onTestFinished } from "vitest"
import { connect, connectHttp, deploy, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"

const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    (value) => assert.fail(`It should have failed, and gave ${JSON.stringify(value)}`),
    (cause: Error) => cause
  )

// Each case holds a processor for the whole time limit: `pnpm test:full` runs all.
const isFull = process.env["TEST_FULL"] !== undefined

/** One that never pauses, and one that a refusal of its calls does not end. */
const HELD = isFull
  ? (["writing", "microtasks", "insisting", "afterNested"] as const)
  : (["writing", "insisting"] as const)

/** Microtasks before left-over code starts to loop. */
const STEPS = isFull ? Array.from({ length: 16 }, (_, i) => i) : [2, 8]

const deployQuick = () => deploy({ userTimeLimit: 500 })

describe("a function that hangs its thread", () => {
  it("times out and is rolled back, and other calls continue", async () => {
    const deployment = await deployQuick()
    const other = connect(deployment)
    const counter = watch(other, api.counters.read, { name: "n" })
    assert.equal(await other.mutation(api.counters.add, { name: "n" }), 1)
    for (const held of HELD) {
      const args = held === "writing" ? { name: "n" } : {}
      const caller = connect(deployment)
      const stuck = failure(caller.mutation(api.stuck[held], args))
      // Sent behind it, by another client and by its own.
      const value = await other.mutation(api.counters.add, { name: "n" })
      assert.include((await stuck).message, "Function execution timed out (maximum duration: 0.5s)", held)
      await counter.until((seen) => seen === value)
      assert.isAbove(await caller.mutation(api.counters.add, { name: held }), 0)
    }
    assert.equal(await other.query(api.counters.read, { name: "n" }), 1 + HELD.length)
    assert.equal(other.connectionState().connectionRetries, 0)
  })

  it("is not retried, and other subscriptions are updated by later writes", async () => {
    const deployment = await deployQuick()
    const client = connect(deployment)
    const told = watch(client, api.stuck.whenTold, {})
    await told.until((value) => value === "waiting")
    const counter = watch(client, api.counters.read, { name: "n" })
    await client.mutation(api.messages.send, { author: "a", channel: "c", text: "unrelated" })
    await connectHttp(deployment).mutation(api.jobs.schedule, { delay: 0, kind: "mutation", name: "seen" })
    const failed = await told.until((value) => value instanceof Error)
    assert.include((failed as Error).message, "Function execution timed out")
    for (const value of [1, 2]) {
      assert.equal(await client.mutation(api.counters.add, { name: "n" }), value)
      await counter.until((seen) => seen === value)
    }
    assert.equal(told.seen.length, 2)
  })

  it("fails separately from mutations of its batch, which each run once, in order", async () => {
    const client = connect(await deployQuick())
    const add = () => client.mutation(api.counters.add, { name: "n" })
    const before = Array.from({ length: 5 }, add)
    const stuck = failure(client.mutation(api.stuck.writing, { name: "n" }))
    const behind = Array.from({ length: 5 }, add)
    assert.deepEqual(await Promise.all([...before, ...behind]), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    assert.include((await stuck).message, "Function execution timed out")
    assert.equal(await client.query(api.counters.read, { name: "n" }), 10)
  })

  it("fails separately from queries of its batch", async () => {
    const deployment = await deployQuick()
    await connectHttp(deployment).mutation(api.jobs.schedule, { delay: 0, kind: "mutation", name: "seen" })
    await watch(connect(deployment), api.jobs.events, {}).until((seen) => Array.isArray(seen) && seen.includes("seen"))
    const client = connect(deployment)
    const [before, told, behind] = [
      watch(client, api.counters.read, { name: "before" }),
      watch(client, api.stuck.whenTold, {}),
      watch(client, api.counters.read, { name: "behind" })
    ]
    await Promise.all([before.until((value) => value === 0), behind.until((value) => value === 0)])
    assert.include(((await told.until(() => true)) as Error).message, "Function execution timed out")
    for (const [name, counter] of Object.entries({ before, behind })) {
      assert.equal(await client.mutation(api.counters.add, { name }), 1)
      assert.equal(counter.latest(), 1)
    }
    assert.equal(told.seen.length, 1)
  })

  it("is retried with a delay, and its result is sent when it ends", async () => {
    const deployment = await deployQuick()
    const client = connect(deployment)
    const told = watch(client, api.stuck.whenTold, {})
    await told.until((value) => value === "waiting")
    await connectHttp(deployment).mutation(api.jobs.schedule, { delay: 0, kind: "mutation", name: "seen" })
    await told.until((value) => value instanceof Error)
    await client.mutation(api.misc.clear, {})
    await told.until((value) => value === "waiting" && told.seen.length > 2)
    assert.equal(told.seen.length, 3)
  })

  it("fails separately if it exits its thread or leaves a loop behind", async () => {
    const client = connect(await deployQuick())
    assert.include((await failure(client.mutation(api.stuck.exiting, {}))).message, "exit code 3")
    assert.equal(await client.mutation(api.counters.add, { name: "n" }), 1)
    await client.mutation(api.stuck.leaving, {})
    assert.equal(await client.mutation(api.counters.add, { name: "n" }), 2)
  })

  it("fails separately whenever its left-over code starts to loop", async () => {
    const client = connect(await deploy({ userTimeLimit: 250 }))
    for (const [index, steps] of STEPS.entries()) {
      await client.mutation(api.stuck.leavingLater, { steps }).catch(() => undefined)
      assert.equal(await client.mutation(api.counters.add, { name: "n" }), index + 1)
    }
  })

  it("does not delay jobs that another mutation of the batch scheduled", async () => {
    const client = connect(await deployQuick())
    const events = watch(client, api.jobs.events, {})
    await events.until((seen) => Array.isArray(seen))
    await Promise.all([
      client.mutation(api.counters.add, { name: "n" }),
      client.mutation(api.jobs.schedule, { delay: 0, kind: "mutation", name: "other" }),
      failure(client.mutation(api.stuck.writing, { name: "n" }))
    ])
    assert.deepEqual(await events.until((seen) => Array.isArray(seen) && seen.length > 0), ["other"])
  })

  it("fails as a job, and later jobs run", async () => {
    const client = connect(await deployQuick())
    const id = await client.mutation(api.stuck.scheduleJob, {})
    const state = watch(client, api.jobs.state, { id })
    const failed = await state.until((value) => !(value instanceof Error) && value?.kind === "failed")
    assert.include(JSON.stringify(failed), "Function execution timed out")
    const events = watch(client, api.jobs.events, {})
    await client.mutation(api.jobs.schedule, { delay: 0, kind: "mutation", name: "later" })
    await events.until((seen) => !(seen instanceof Error) && seen.includes("later"))
  })

  it("as an action delays no query and no mutation, and later actions run in another thread", async () => {
    const client = connect(await deploy())
    const stuck = failure(client.action(api.stuck.acting, {}))
    assert.equal(await client.mutation(api.counters.add, { name: "n" }), 1)
    const other = Promise.withResolvers<"another action">()
    const act = () =>
      client.action(api.messages.throughAction, { channel: "c", text: "x" }).then(
        () => other.resolve("another action"),
        // It came to the same thread, before that was known to be held.
        () => undefined
      )
    const acting = setInterval(() => void act(), 200)
    onTestFinished(() => clearInterval(acting))
    assert.equal(await Promise.race([other.promise, stuck]), "another action")
    assert.include((await stuck).message, "computed for 5 s without a pause")
  })
})
