/** Queued prompts: changing, moving and dropping them, and those that steer a running turn. */
import { randomUUID } from "node:crypto"
import { assert, describe, it } from "vitest"
import { api, type Id } from "../src/api.ts"
import { enlist, newSession, refusalOf, send, type Signature, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()
const firstPage = { numItems: 20, cursor: null }

const world = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  let messages = 0
  const claim = (turnId: Id<"turns">, as: Signature = worker) =>
    operator.mutation(api.queue.claim, { ...as, turnId, messageId: `msg_${++messages}`, partId: "prt" })
  const deliver = (turnId: Id<"turns">) => operator.mutation(api.queue.markDelivered, { ...worker, turnId })
  return {
    operator,
    worker,
    sessionId,
    claim,
    deliver,
    /** A turn that runs. */
    run: async (text: string) => {
      const turnId = await send(operator, sessionId, text)
      await claim(turnId)
      await deliver(turnId)
      return turnId
    },
    finish: (turnId: Id<"turns">, as: Signature = worker) =>
      operator.mutation(api.queue.finish, { ...as, turnId, outcome: "completed", parts: [] }),
    steer: (text: string) =>
      operator.mutation(api.turns.send, { sessionId, text, delivery: "steer", idempotencyKey: randomUUID() }),
    ready: async (as: Signature = worker) => {
      const turns = await operator.query(api.queue.listReady, { ...as, limit: 20 })
      return turns.map(({ turnId }) => turnId)
    },
    status: async () => (await operator.query(api.sessions.get, { sessionId }))?.status,
    queued: async () => (await operator.query(api.promptQueue.list, { sessionId })).map(({ head }) => head),
    texts: async () => {
      const { page } = await operator.query(api.turns.list, { sessionId, paginationOpts: firstPage })
      return page.map(({ head }) => head)
    }
  }
}

describe("a queued prompt", () => {
  it("is claimed as it was changed last", async () => {
    const { claim, operator, sessionId } = await world()
    const text = "Second ".repeat(1_000)
    const turnId = await operator.mutation(api.turns.send, {
      sessionId,
      text: "First",
      agent: "plan",
      variant: "high",
      idempotencyKey: "k"
    })
    await operator.mutation(api.promptQueue.edit, { turnId, text, model: "p/m", agent: null })
    assert.deepStrictEqual(await claim(turnId), {
      text,
      model: "p/m",
      agent: null,
      variant: "high",
      command: null,
      budget: null,
      fileCount: 0
    })
    // The answer to the first call was lost.
    assert.strictEqual(
      await operator.mutation(api.turns.send, { sessionId, text: "First", idempotencyKey: "k" }),
      turnId
    )
  })

  it("moves before another one, or to the end, and the first one becomes ready", async () => {
    const { operator, queued, ready, sessionId } = await world()
    const [a, b, c] = [
      await send(operator, sessionId, "a"),
      await send(operator, sessionId, "b"),
      await send(operator, sessionId, "c")
    ]
    await operator.mutation(api.promptQueue.move, { turnId: c, before: a })
    assert.deepStrictEqual([await queued(), await ready()], [["c", "a", "b"], [c]])
    await operator.mutation(api.promptQueue.move, { turnId: c, before: b })
    assert.deepStrictEqual([await queued(), await ready()], [["a", "c", "b"], [a]])
    await operator.mutation(api.promptQueue.move, { turnId: a, before: null })
    await operator.mutation(api.promptQueue.move, { turnId: a, before: null })
    assert.deepStrictEqual([await queued(), await ready()], [["c", "b", "a"], [c]])
  })

  it("stays behind the running turn wherever it moves", async () => {
    const { finish, operator, queued, ready, run, sessionId } = await world()
    const running = await run("now")
    const [a, b] = [await send(operator, sessionId, "a"), await send(operator, sessionId, "b")]
    await operator.mutation(api.promptQueue.move, { turnId: b, before: a })
    assert.deepStrictEqual([await queued(), await ready()], [["b", "a"], []])
    await finish(running)
    assert.deepStrictEqual(await ready(), [b])
  })

  it("moves only among the queued prompts of its session", async () => {
    const { operator, run, sessionId, worker } = await world()
    const running = await run("now")
    const turnId = await send(operator, sessionId)
    const elsewhere = await send(operator, await newSession(operator, worker.workerId))
    for (const before of [running, elsewhere]) {
      assert.strictEqual(await refusalOf(operator.mutation(api.promptQueue.move, { turnId, before })), "Conflict")
    }
  })

  it("is dropped without a trace, and the next one becomes ready", async () => {
    const { operator, ready, sessionId, texts } = await world()
    const [a, b] = [await send(operator, sessionId, "a"), await send(operator, sessionId, "b")]
    await operator.mutation(api.promptQueue.drop, { turnId: a })
    assert.deepStrictEqual([await texts(), await ready()], [["b"], [b]])
  })

  it("is no load of its worker after it is dropped", async () => {
    const { operator, sessionId } = await world()
    const turnId = await send(operator, sessionId)
    await operator.mutation(api.promptQueue.drop, { turnId })
    assert.deepStrictEqual(
      (await operator.query(api.workers.list, {})).map(({ queued }) => queued),
      [0]
    )
  })

  it("is not changed after its claim", async () => {
    const { operator, run } = await world()
    const turnId = await run("now")
    for (const call of [
      operator.mutation(api.promptQueue.edit, { turnId, text: "late" }),
      operator.mutation(api.promptQueue.move, { turnId, before: null }),
      operator.mutation(api.promptQueue.drop, { turnId })
    ]) {
      assert.strictEqual(await refusalOf(call), "Conflict")
    }
  })
})

describe("a steering prompt", () => {
  it("is ready while the turn before it runs, and comes before all queued prompts", async () => {
    const { operator, ready, run, sessionId, steer, texts } = await world()
    await run("now")
    await send(operator, sessionId, "later")
    const [first, second] = [await steer("rather"), await steer("and")]
    assert.deepStrictEqual(await texts(), ["now", "rather", "and", "later"])
    assert.deepStrictEqual(await ready(), [first])
    assert.notStrictEqual(second, first)
  })

  it("is ready when the turn before it is delivered, not earlier", async () => {
    const { claim, deliver, operator, ready, sessionId, steer } = await world()
    const turnId = await send(operator, sessionId, "now")
    await claim(turnId)
    const [first, second] = [await steer("rather"), await steer("and")]
    assert.deepStrictEqual(await ready(), [])
    assert.isNull(await claim(first))
    await deliver(turnId)
    assert.deepStrictEqual(await ready(), [first])
    assert.isNotNull(await claim(first))
    assert.deepStrictEqual(await ready(), [])
    await deliver(first)
    assert.deepStrictEqual(await ready(), [second])
  })

  it("is queued as any other if nothing runs", async () => {
    const { operator, queued, sessionId, steer } = await world()
    await send(operator, sessionId, "first")
    await steer("second")
    assert.deepStrictEqual(await queued(), ["first", "second"])
    const queue = await operator.query(api.promptQueue.list, { sessionId })
    assert.deepStrictEqual(
      queue.map(({ delivery }) => delivery),
      ["queue", "queue"]
    )
  })

  it("runs next if the turn before it ends first, and the session runs until both have ended", async () => {
    const { claim, deliver, finish, operator, ready, run, sessionId, status, steer } = await world()
    const running = await run("now")
    const later = await send(operator, sessionId, "later")
    const [first, second] = [await steer("rather"), await steer("and")]
    await claim(first)
    await finish(running)
    assert.strictEqual(await status(), "running")
    await deliver(first)
    assert.deepStrictEqual(await ready(), [second])
    await finish(first)
    assert.deepStrictEqual([await ready(), await status()], [[second], "idle"])
    await claim(second)
    await finish(second)
    assert.deepStrictEqual([await ready(), await status()], [[later], "idle"])
  })

  it("is queued again at its place, and stays ready", async () => {
    const { claim, operator, ready, run, status, steer, worker } = await world()
    await run("now")
    const turnId = await steer("rather")
    await claim(turnId)
    await operator.mutation(api.queue.requeue, { ...worker, turnId })
    assert.deepStrictEqual([await ready(), await status()], [[turnId], "running"])
  })

  it("waits in a new process until the turn that the old one left is recovered", async () => {
    const { claim, finish, operator, ready, run, steer, worker } = await world()
    const running = await run("now")
    const turnId = await steer("rather")
    await operator.mutation(api.lease.release, worker)
    const { epoch } = await operator.mutation(api.lease.acquire, {
      workerId: worker.workerId,
      secret: worker.secret,
      processId: "next"
    })
    const next = { ...worker, epoch }
    assert.deepStrictEqual(await ready(next), [])
    assert.isNull(await claim(turnId, next))
    await finish(running, next)
    assert.deepStrictEqual(await ready(next), [turnId])
    assert.isNotNull(await claim(turnId, next))
  })

  it("ends at once if it is aborted before its claim, and with its session", async () => {
    const { claim, deliver, operator, ready, run, sessionId, steer } = await world()
    const running = await run("now")
    const [first, second, third] = [await steer("a"), await steer("b"), await steer("c")]
    await claim(first)
    await deliver(first)
    await operator.mutation(api.turns.abort, { turnId: second })
    assert.deepStrictEqual(await ready(), [third])
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: "k" })
    assert.deepStrictEqual(await ready(), [])
    for (const turnId of [running, first]) {
      const live = await operator.query(api.turns.live, { turnId, after: 0 })
      assert.strictEqual(live.status, "running")
    }
    assert.isNull(await claim(third))
  })

  it("is refused when ten others are not answered", async () => {
    const { run, steer } = await world()
    await run("now")
    for (let count = 0; count < 10; count++) await steer(`steer ${count}`)
    assert.strictEqual(await refusalOf(steer("one more")), "RateLimited")
  })
})
