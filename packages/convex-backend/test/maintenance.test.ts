import { afterAll, assert, describe, it } from "vitest"
import { makeFunctionReference } from "convex/server"
import { api } from "../src/api.ts"
import {
  answerRequest,
  enlist,
  eventually,
  ids,
  newSession,
  openRequest,
  permission,
  refusalOf,
  send,
  sha256,
  useDeployment
} from "./support/deployment.ts"
import { passTime, resetTime } from "./support/clock.ts"

const deployment = useDeployment()
// Time goes on from test to test: when cron jobs run next is part of the data.
afterAll(() => {
  resetTime()
})

const hour = 3_600_000
const day = 24 * hour

/** The deployment runs in this process, so its clock is ours; started again, it runs the cron jobs that are due. */
const pass = async (millis: number) => {
  passTime(millis)
  await deployment().restart()
}

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const { epoch: _, ...credentials } = worker
  const sessionId = await newSession(operator, worker.workerId)
  return {
    operator,
    worker,
    sessionId,
    /** The worker's next process: leases end while time passes. */
    again: async () => ({
      ...credentials,
      ...(await operator.mutation(api.lease.acquire, { ...credentials, processId: "next" }))
    })
  }
}

describe("maintenance", () => {
  it("expires prompts that were queued for a day, and no running or younger ones", async () => {
    const { operator, worker, sessionId } = await setUp()
    const other = await newSession(operator, worker.workerId)
    const waiting = [await send(operator, sessionId), await send(operator, sessionId)]
    const running = await send(operator, other)
    await operator.mutation(api.queue.claim, { ...worker, turnId: running, ...ids })
    const status = async (turnId: typeof running) => (await operator.query(api.turns.live, { turnId, after: 0 })).status
    await pass(23 * hour)
    const young = await send(operator, sessionId)
    await pass(2 * hour)
    for (const turnId of waiting)
      await eventually(
        () => status(turnId),
        (is) => is === "expired"
      )
    assert.deepStrictEqual([await status(running), await status(young)], ["claimed", "queued"])
  })

  it("expires any number of prompts of the largest size", { timeout: 120_000 }, async () => {
    const { operator, worker } = await setUp()
    const sessions = await Promise.all(Array.from({ length: 21 }, () => newSession(operator, worker.workerId)))
    const text = "€".repeat(200_000)
    const turns = await Promise.all([...sessions, ...sessions].map((id) => send(operator, id, text)))
    const other = await setUp()
    const small = await send(other.operator, other.sessionId)
    await pass(25 * hour)
    const status = async (client: typeof operator, turnId: typeof small) =>
      (await client.query(api.turns.live, { turnId, after: 0 })).status
    // The last of all.
    await eventually(
      () => status(other.operator, small),
      (is) => is === "expired"
    )
    const others = await Promise.all(turns.map((turnId) => status(operator, turnId)))
    assert.deepStrictEqual(new Set(others), new Set(["expired"]))
  })

  it("a prompt behind an expired one can run", async () => {
    const { operator, sessionId, again } = await setUp()
    await send(operator, sessionId)
    await pass(23 * hour)
    const young = await send(operator, sessionId)
    await pass(2 * hour)
    const { workerId, secret, epoch } = await again()
    const ready = () => operator.query(api.queue.listReady, { workerId, secret, epoch, limit: 20 })
    const [turn] = await eventually(ready, (turns) => turns[0]?.turnId === young)
    assert.strictEqual(turn?.turnId, young)
  })

  it("a prompt that was queued for a day does not run before its expiry; the next one does", async () => {
    const { operator, sessionId, again } = await setUp()
    const stale = await send(operator, sessionId)
    passTime(23 * hour)
    const young = await send(operator, sessionId)
    passTime(2 * hour)
    const { workerId, secret, epoch } = await again()
    const worker = { workerId, secret, epoch }
    const claim = (turnId: typeof stale) => operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    assert.isNull(await claim(stale))
    assert.strictEqual((await operator.query(api.turns.live, { turnId: stale, after: 0 })).status, "expired")
    const [next] = await operator.query(api.queue.listReady, { ...worker, limit: 20 })
    assert.strictEqual(next?.turnId, young)
    assert.isNotNull(await claim(young))
  })

  it("trims rows beyond their retention only", async () => {
    const { operator, worker, sessionId } = await setUp()
    const { workerId } = worker
    const secret = "s"
    const begin = () =>
      operator.mutation(api.pairing.begin, { machine: "m", directory: "/d", secretHash: sha256(secret) })
    const { pairingId } = await begin()
    const turnId = await send(operator, sessionId)
    await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    const requestId = await openRequest(operator, { ...worker, turnId, ...permission })
    await operator.mutation(api.sessions.watch, { sessionId })
    const batches = [{ turnId, seq: 1, segments: [{ partId: "p", kind: "text" as const, text: "x" }] }]
    await operator.mutation(api.queue.appendDeltas, { ...worker, batches })
    const commandId = await operator.mutation(api.workers.pause, { workerId, idempotencyKey: "k" })

    const deltas = async () => (await operator.query(api.turns.live, { turnId, after: 0 })).deltas.length
    const pairing = () => refusalOf(operator.query(api.pairing.status, { pairingId, secret }))
    const command = () => operator.query(api.commands.get, { commandId })
    const request = () => refusalOf(answerRequest(operator, requestId, { type: "once" }))
    await pass(2 * day)
    await eventually(pairing, (answer) => answer === "NotFound")
    assert.strictEqual(await deltas(), 1)
    await pass(4 * day)
    assert.strictEqual(await deltas(), 1)
    assert.isNotNull(await command())
    await pass(26 * day)
    await eventually(command, (found) => found === null)
    await eventually(request, (answer) => answer === "NotFound")
    assert.strictEqual((await operator.query(api.sessions.get, { sessionId }))?.title, "Hello")
  })

  it("ends turns of workers that were silent for a week, with their text, and no others", async () => {
    const { operator, worker, sessionId, again } = await setUp()
    const there = await setUp()
    const run = async ({ operator: by, worker: as, sessionId: id }: typeof there) => {
      const turnId = await send(by, id)
      await by.mutation(api.queue.claim, { ...as, turnId, ...ids })
      const batches = [{ turnId, seq: 1, segments: [{ partId: "p", kind: "text" as const, text: "So far" }] }]
      await by.mutation(api.queue.appendDeltas, { ...as, batches })
      return turnId
    }
    const [turnId, others] = [await run({ operator, worker, sessionId, again }), await run(there)]
    const live = (id: typeof turnId, client = operator) => client.query(api.turns.live, { turnId: id, after: 0 })
    await pass(6 * day)
    await there.operator.mutation(api.lease.heartbeat, { ...there.worker, phase: "ready" })
    assert.strictEqual((await live(turnId)).status, "claimed")
    await pass(2 * day)
    const { status, error, deltas } = await eventually(
      () => live(turnId),
      (turn) => turn.status !== "claimed"
    )
    assert.deepStrictEqual([status, error?.name, deltas], ["interrupted", "WorkerSilent", []])
    const { page } = await operator.query(api.turns.parts, { turnId, paginationOpts: { numItems: 9, cursor: null } })
    assert.deepStrictEqual(
      page.map(({ payload }) => JSON.parse(payload)),
      [{ id: "p", text: "So far" }]
    )
    const other = await live(others, there.operator)
    assert.deepStrictEqual([other.status, other.deltas.length], ["claimed", 1])

    assert.strictEqual((await operator.query(api.sessions.get, { sessionId }))?.status, "idle")
    const { workerId, secret, epoch } = await again()
    const ready = await operator.query(api.queue.listReady, { workerId, secret, epoch, limit: 5 })
    assert.deepStrictEqual(ready, [])
    const next = await send(operator, sessionId)
    const claim = operator.mutation(api.queue.claim, { workerId, secret, epoch, turnId: next, ...ids })
    assert.isNotNull(await claim)
  })

  it("deletes a session whose worker never executed its deletion", async () => {
    const { operator, worker, sessionId } = await setUp()
    await operator.mutation(api.sessions.linkOpenCodeSession, { ...worker, sessionId, opencodeSessionId: "ses_1" })
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: "k" })
    await pass(31 * day)
    const session = () => operator.query(api.sessions.get, { sessionId })
    assert.isNull(await eventually(session, (found) => found === null))
  })

  it("keeps the audit for a year", async () => {
    const { operator, worker } = await setUp()
    const { workerId } = worker
    const audit = async () => {
      const { page } = await operator.query(api.workers.audit, {
        workerId,
        paginationOpts: { numItems: 9, cursor: null }
      })
      return page.map(({ action }) => action)
    }
    await pass(364 * day)
    await operator.mutation(api.workers.revoke, { workerId })
    assert.deepStrictEqual(await audit(), ["revoke", "approve"])
    await pass(2 * day)
    assert.deepStrictEqual(await eventually(audit, (actions) => actions.length < 2), ["revoke"])
  })

  it("cannot be called by clients", async () => {
    const trimAll = makeFunctionReference<"mutation">("maintenance:trimAll")
    const failure = await deployment()
      .anonymous()
      .mutation(trimAll, {})
      .then(() => undefined, String)
    assert.match(failure ?? "", /maintenance:trimAll/)
  })
})
