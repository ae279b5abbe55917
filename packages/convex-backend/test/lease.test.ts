import { afterEach, assert, describe, it } from "vitest"
import { PROTOCOL } from "../convex/protocol.ts"
import { api } from "../src/api.ts"
import { enlist, eventually, pair, refusalOf, useDeployment } from "./support/deployment.ts"
import { passTime, resetTime } from "./support/clock.ts"

const deployment = useDeployment()
afterEach(() => {
  resetTime()
})

/** The deployment runs in this process, so its clock is ours. */
const passSeconds = (seconds: number) => {
  passTime(seconds * 1000)
}
/** A new scheduled function makes the deployment look at those that are due. */
const runDue = async () => enlist(await deployment().operator())

describe("lease", () => {
  it("lasts 25 seconds of the server's clock, and is renewed by heartbeats", async () => {
    const operator = await deployment().operator()
    const credentials = await pair(operator)
    const acquired = await operator.mutation(api.lease.acquire, { ...credentials, processId: "a" })
    assert.strictEqual(acquired.epoch, 1)
    assert.strictEqual(acquired.leaseExpiresAt - acquired.serverTime, 25_000)
    passSeconds(10)
    const renewed = await operator.mutation(api.lease.heartbeat, { ...credentials, epoch: 1, phase: "ready" })
    assert.strictEqual(renewed.leaseExpiresAt - renewed.serverTime, 25_000)
    assert.isAtLeast(renewed.serverTime - acquired.serverTime, 10_000)
    const [worker] = await operator.query(api.workers.list, {})
    assert.deepNestedInclude(worker, { online: true, phase: "ready" })
  })

  it("excludes other processes until it expires, and reports when", async () => {
    const operator = await deployment().operator()
    const credentials = await pair(operator)
    const { leaseExpiresAt } = await operator.mutation(api.lease.acquire, { ...credentials, processId: "a" })
    const refused = await operator.mutation(api.lease.acquire, { ...credentials, processId: "b" }).then(
      () => undefined,
      (cause: unknown) => cause
    )
    assert.deepNestedInclude(refused, { "data.code": "Conflict" })
    assert.include(String(refused), new Date(leaseExpiresAt).toISOString())
  })

  it("can be acquired again by its process, which increments the epoch", async () => {
    const operator = await deployment().operator()
    const credentials = await pair(operator)
    const epochs = []
    for (let time = 0; time < 3; time++) {
      epochs.push((await operator.mutation(api.lease.acquire, { ...credentials, processId: "a" })).epoch)
    }
    assert.deepStrictEqual(epochs, [1, 2, 3])
  })

  it("can be acquired by another process after its expiry; the earlier one is fenced", async () => {
    const operator = await deployment().operator()
    const credentials = await pair(operator)
    const first = await operator.mutation(api.lease.acquire, { ...credentials, processId: "a" })
    passSeconds(25)
    const second = await operator.mutation(api.lease.acquire, { ...credentials, processId: "b" })
    assert.isAbove(second.epoch, first.epoch)
    const late = operator.mutation(api.lease.heartbeat, { ...credentials, epoch: first.epoch, phase: "ready" })
    assert.strictEqual(await refusalOf(late), "Fenced")
  })

  it("marks the worker offline when it expires; a process that only slept can continue", async () => {
    const operator = await deployment().operator()
    const { epoch, ...credentials } = await enlist(operator)
    const online = async () => (await operator.query(api.workers.list, {}))[0]?.online
    passSeconds(25)
    await runDue()
    await eventually(online, (is) => is === false)
    await operator.mutation(api.lease.heartbeat, { ...credentials, epoch, phase: "ready" })
    assert.isTrue(await online())
    passSeconds(25)
    await runDue()
    await eventually(online, (is) => is === false)
  })

  it("keeps the worker online while it is renewed", async () => {
    const operator = await deployment().operator()
    const silent = await deployment().operator()
    const worker = await enlist(operator)
    await enlist(silent)
    const online = async (of: typeof operator) => (await of.query(api.workers.list, {}))[0]?.online
    passSeconds(20)
    await operator.mutation(api.lease.heartbeat, { ...worker, phase: "ready" })
    passSeconds(5)
    await runDue()
    // The first term of both ended now, this worker's before the silent one's.
    await eventually(
      () => online(silent),
      (is) => is === false
    )
    assert.isTrue(await online(operator))
  })

  it("marks a machine that is gone within 40 seconds, with the time of its last heartbeat", async () => {
    const operator = await deployment().operator()
    const worker = await enlist(operator)
    const shown = async () => (await operator.query(api.workers.list, {}))[0]
    passSeconds(10)
    const { serverTime } = await operator.mutation(api.lease.heartbeat, { ...worker, phase: "ready" })
    assert.deepInclude(await shown(), { online: true, lastSeenAt: null })
    // The machine is gone: 25 s after its last heartbeat the lease ends, and the function that was scheduled for then runs.
    passSeconds(35)
    await runDue()
    const gone = await eventually(shown, (row) => row?.online === false)
    assert.deepInclude(gone, { phase: "ready", lastSeenAt: serverTime })
    await operator.mutation(api.lease.heartbeat, { ...worker, phase: "ready" })
    assert.deepInclude(await shown(), { online: true, lastSeenAt: null })
  })

  it("is refused to a worker that is too old or too new, and the list has the advice", async () => {
    const operator = await deployment().operator()
    const credentials = await pair(operator)
    const acquire = (protocol: string) =>
      operator.mutation(api.lease.acquire, { ...credentials, processId: "a", protocol })
    const shown = async () => (await operator.query(api.workers.list, {}))[0]
    for (const [protocol, advice] of [
      ["0.9", /older than the deployment's .*: update opencode-worker on the worker's machine/],
      ["99.0", /newer than the deployment's .*: deploy the functions/]
    ] as const) {
      const { epoch, refused } = await acquire(protocol)
      if (refused === null) return assert.fail("It is not refused")
      assert.strictEqual(refused.code, "Incompatible")
      assert.match(refused.message, advice)
      const row = await shown()
      assert.deepInclude(row, { phase: "incompatible", online: false, advice: refused.message })
      const write = operator.mutation(api.lease.heartbeat, { ...credentials, epoch, phase: "ready" })
      assert.strictEqual(await refusalOf(write), "Fenced")
    }
    assert.strictEqual(await refusalOf(acquire("next")), "InvalidArgument")
    assert.isNull((await acquire(PROTOCOL)).refused)
    assert.deepInclude(await shown(), { phase: "connecting", online: true, advice: null })
    const begin = { machine: "m", directory: "/d", secretHash: "0".repeat(64), protocol: "99.0" }
    assert.strictEqual(await refusalOf(operator.mutation(api.pairing.begin, begin)), "Incompatible")
  })

  it("ends for a worker whose release the deployment no longer serves, and the list has the advice", async () => {
    const operator = await deployment().operator()
    const { epoch, ...credentials } = await enlist(operator)
    const heartbeat = (of: number) =>
      operator.mutation(api.lease.heartbeat, { ...credentials, epoch: of, phase: "ready" })
    await heartbeat(epoch)
    await deployment().rewrite("workers", credentials.workerId, { protocol: "0.1" })
    assert.strictEqual(await refusalOf(heartbeat(epoch)), "Incompatible")
    const [row] = await operator.query(api.workers.list, {})
    assert.match(row?.advice ?? "", /older than the deployment's .*: update opencode-worker/)
    const updated = { ...credentials, processId: "updated", protocol: PROTOCOL }
    passSeconds(25)
    await heartbeat((await operator.mutation(api.lease.acquire, updated)).epoch)
  })

  it("can be acquired immediately after a release, and later writes are fenced", async () => {
    const operator = await deployment().operator()
    const worker = await enlist(operator)
    const { epoch: _, ...credentials } = worker
    await operator.mutation(api.lease.release, worker)
    const [shown] = await operator.query(api.workers.list, {})
    assert.deepNestedInclude(shown, { online: false, phase: "stopped" })
    assert.strictEqual(await refusalOf(operator.mutation(api.queue.appendDeltas, { ...worker, batches: [] })), "Fenced")
    await operator.mutation(api.lease.acquire, { ...credentials, processId: "another" })
  })

  it("rejects over-long process ids and phases", async () => {
    const operator = await deployment().operator()
    const worker = await enlist(operator)
    const { epoch: _, ...credentials } = worker
    const long = "x".repeat(501)
    const acquire = operator.mutation(api.lease.acquire, { ...credentials, processId: long })
    const heartbeat = operator.mutation(api.lease.heartbeat, { ...worker, phase: long })
    assert.deepStrictEqual(
      [await refusalOf(acquire), await refusalOf(heartbeat)],
      ["InvalidArgument", "InvalidArgument"]
    )
  })
})
