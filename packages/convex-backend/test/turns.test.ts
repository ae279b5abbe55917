import { randomUUID } from "node:crypto"
import type { FunctionReturnType } from "convex/server"
import { ConvexError } from "convex/values"
import { afterEach, assert, describe, it } from "vitest"
import { api, type Id } from "../src/api.ts"
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
  type Signature,
  useDeployment
} from "./support/deployment.ts"
import { passTime, resetTime } from "./support/clock.ts"

const deployment = useDeployment()
afterEach(() => {
  resetTime()
})

/** The deployment runs in this process, so its clock is ours. */
const passSeconds = (seconds: number) => {
  passTime(seconds * 1000)
}

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  return {
    operator,
    worker,
    sessionId,
    ready: async (as: Signature = worker) =>
      (await operator.query(api.queue.listReady, { ...as, limit: 20 })).map(({ turnId }) => turnId),
    claim: (turnId: Id<"turns">, as: Signature = worker, messageId = ids.messageId) =>
      operator.mutation(api.queue.claim, { ...as, turnId, messageId, partId: ids.partId }),
    deliver: (turnId: Id<"turns">, as: Signature = worker) =>
      operator.mutation(api.queue.markDelivered, { ...as, turnId }),
    append: (turnId: Id<"turns">, seq: number, text: string, as: Signature = worker) =>
      operator.mutation(api.queue.appendDeltas, {
        ...as,
        batches: [{ turnId, seq, segments: [{ partId: "p", kind: "text", text }] }]
      }),
    finish: (turnId: Id<"turns">, parts: ReadonlyArray<string> = [], as: Signature = worker) =>
      operator.mutation(api.queue.finish, {
        ...as,
        turnId,
        outcome: "completed",
        usage: { input: 1, output: 2, reasoning: 0, cost: 0.01 },
        parts: parts.map((payload, index) => ({ index, kind: "text", payload }))
      }),
    requeue: (turnId: Id<"turns">, as: Signature = worker) => operator.mutation(api.queue.requeue, { ...as, turnId }),
    live: (turnId: Id<"turns">, after = 0) => operator.query(api.turns.live, { turnId, after }),
    parts: async (turnId: Id<"turns">) =>
      (await operator.query(api.turns.parts, { turnId, paginationOpts: { numItems: 100, cursor: null } })).page,
    /** The worker's next process. */
    next: async (): Promise<Signature> => {
      const { epoch: _, ...credentials } = worker
      await operator.mutation(api.lease.release, worker)
      const { epoch } = await operator.mutation(api.lease.acquire, { ...credentials, processId: randomUUID() })
      return { ...credentials, epoch }
    }
  }
}

/** Batches with the numbers from `first` on. */
const hundred = (turnId: Id<"turns">, first: number) =>
  Array.from({ length: 100 }, (_, index) => ({
    turnId,
    seq: first + index,
    segments: [{ partId: "p", kind: "text" as const, text: "x" }]
  }))

/** Characters of three bytes each where they are stored. */
const wide = (count: number) => "好".repeat(count)

describe("sending", () => {
  it("one key creates one turn, and turns are listed in order with their prompts", async () => {
    const { operator, sessionId } = await setUp()
    const ask = (text: string, idempotencyKey: string) =>
      operator.mutation(api.turns.send, { sessionId, text, model: "a/b/c d", agent: "build", idempotencyKey })
    const first = await ask("One", "1")
    assert.strictEqual(await ask("One", "1"), first)
    const second = await ask("Two", "2")
    const { page } = await operator.query(api.turns.list, { sessionId, paginationOpts: { numItems: 10, cursor: null } })
    assert.deepStrictEqual(
      page.map(({ turnId, seq, head, status }) => [turnId, seq, head, status]),
      [
        [first, 1, "One", "queued"],
        [second, 2, "Two", "queued"]
      ]
    )
    assert.deepNestedInclude(page[0], { model: "a/b/c d", agent: "build", error: null, usage: null })
  })

  it("turns can be listed the newest first, in pages", async () => {
    const { operator, sessionId } = await setUp()
    for (const text of ["One", "Two", "Three"]) await send(operator, sessionId, text)
    const page = (cursor: string | null) =>
      operator.query(api.turns.list, { sessionId, order: "desc", paginationOpts: { numItems: 2, cursor } })
    const first = await page(null)
    const second = await page(first.continueCursor)
    assert.deepStrictEqual(
      [first.page, second.page].map((turns) => turns.map(({ head }) => head)),
      [["Three", "Two"], ["One"]]
    )
  })

  it("rejects empty and over-long prompts and invalid models, and accepts the longest prompt", async () => {
    const { operator, sessionId } = await setUp()
    const ask = (change: object) =>
      refusalOf(operator.mutation(api.turns.send, { sessionId, text: "Hi", idempotencyKey: randomUUID(), ...change }))
    for (const change of [
      { text: "" },
      { text: "x".repeat(200_001) },
      { model: "no-provider" },
      { model: `p/${"m".repeat(500)}` },
      { agent: "a".repeat(501) },
      { idempotencyKey: "k".repeat(501) }
    ]) {
      assert.strictEqual(await ask(change), "InvalidArgument", Object.keys(change).join())
    }
    assert.property(await ask({ text: "€".repeat(200_000) }), "accepted")
  })
})

describe("resending", () => {
  it("is rejected until the turn has ended, with a remedy", async () => {
    const { operator, sessionId, claim, deliver, finish } = await setUp()
    const turnId = await send(operator, sessionId)
    const again = () => operator.mutation(api.turns.resend, { turnId, idempotencyKey: "k" })
    const refused = async (status: string) => {
      const { message } = await again().then(
        () => assert.fail("It was sent again"),
        (error: unknown) => (error instanceof ConvexError ? error.data : assert.fail(String(error)))
      )
      assert.strictEqual(message, `This turn is ${status}: wait until it ends, or stop it, before you send it again`)
    }
    await refused("queued")
    await claim(turnId)
    await refused("claimed")
    await deliver(turnId)
    await refused("running")
    await finish(turnId)
    assert.notStrictEqual(await again(), turnId)
  })

  it("creates one turn per key with the same text, model and agent", async () => {
    const { operator, sessionId, claim, finish, ready } = await setUp()
    const prompt = { text: "Once more", model: "a/b", agent: "build" }
    const turnId = await operator.mutation(api.turns.send, { sessionId, ...prompt, idempotencyKey: "first" })
    const waiting = await send(operator, sessionId)
    await operator.mutation(api.turns.abort, { turnId })
    const again = (idempotencyKey: string) => operator.mutation(api.turns.resend, { turnId, idempotencyKey })
    const second = await again("k")
    assert.strictEqual(await again("k"), second)
    assert.notStrictEqual(await again("another"), second)

    assert.deepStrictEqual(await ready(), [waiting])
    await claim(waiting)
    await finish(waiting)
    assert.deepStrictEqual(await ready(), [second])
    assert.isNotNull(await claim(second))
    const paginationOpts = { numItems: 10, cursor: null }
    const { page } = await operator.query(api.turns.list, { sessionId, paginationOpts })
    const { text, ...chosen } = prompt
    assert.deepNestedInclude(page[0], { turnId, ...chosen, head: text, status: "aborted" })
    assert.deepNestedInclude(page[2], { turnId: second, ...chosen, head: text, status: "claimed" })
  })

  it("is permitted for its owner only, and not in a deleted session or for a revoked worker", async () => {
    const { operator, worker, sessionId, claim } = await setUp()
    const turnId = await send(operator, sessionId)
    await operator.mutation(api.turns.abort, { turnId })
    const again = (client: typeof operator) =>
      refusalOf(client.mutation(api.turns.resend, { turnId, idempotencyKey: "k" }))
    assert.strictEqual(await again(await deployment().operator()), "NotFound")
    await claim(await send(operator, sessionId))
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: "remove" })
    assert.strictEqual(await again(operator), "Conflict")

    const other = await newSession(operator, worker.workerId)
    const ended = await send(operator, other)
    await operator.mutation(api.turns.abort, { turnId: ended })
    await operator.mutation(api.workers.revoke, { workerId: worker.workerId })
    const onRevoked = operator.mutation(api.turns.resend, { turnId: ended, idempotencyKey: "k" })
    assert.strictEqual(await refusalOf(onRevoked), "Revoked")
  })
})

describe("the queue", () => {
  it("lists the head of each session, the oldest first, up to the limit", async () => {
    const { operator, worker, sessionId, ready } = await setUp()
    const other = await newSession(operator, worker.workerId)
    const head = await send(operator, sessionId)
    await send(operator, sessionId)
    const otherHead = await send(operator, other)
    assert.deepStrictEqual(await ready(), [head, otherHead])
    const [only, ...more] = await operator.query(api.queue.listReady, { ...worker, limit: 1 })
    assert.deepStrictEqual(more, [])
    assert.deepStrictEqual(only, { turnId: head, sessionId, delivery: "queue" })
  })

  it("a turn is claimed once, and the claim can be repeated by its process", async () => {
    const { operator, sessionId, claim, ready } = await setUp()
    const turnId = await send(operator, sessionId)
    assert.isNotNull(await claim(turnId))
    assert.isNotNull(await claim(turnId))
    assert.isNull(await claim(turnId, undefined, "msg_other"))
    assert.deepStrictEqual(await ready(), [])
  })

  it("a turn behind another cannot be claimed, and becomes ready when that one ends", async () => {
    const { operator, sessionId, claim, finish, ready } = await setUp()
    const first = await send(operator, sessionId)
    const second = await send(operator, sessionId)
    assert.isNull(await claim(second))
    await claim(first)
    assert.deepStrictEqual(await ready(), [])
    await finish(first)
    assert.deepStrictEqual(await ready(), [second])
  })

  it("a turn sent after the last one has ended is ready immediately", async () => {
    const { operator, sessionId, claim, finish, ready } = await setUp()
    const first = await send(operator, sessionId)
    await claim(first)
    await finish(first)
    const second = await send(operator, sessionId)
    assert.deepStrictEqual(await ready(), [second])
  })
})

describe("streaming", () => {
  it("is read by cursor, each delta once", async () => {
    const { operator, sessionId, claim, deliver, append, live } = await setUp()
    const turnId = await send(operator, sessionId)
    await claim(turnId)
    await deliver(turnId)
    for (const seq of [1, 2, 3]) await append(turnId, seq, `${seq}`)
    const { status, deltas } = await live(turnId, 1)
    assert.strictEqual(status, "running")
    assert.deepStrictEqual(
      deltas.map(({ seq, segments }) => [seq, segments[0]?.text]),
      [
        [2, "2"],
        [3, "3"]
      ]
    )
  })

  it("a repeated write is stored once", async () => {
    const { operator, sessionId, claim, append, live } = await setUp()
    const turnId = await send(operator, sessionId)
    await claim(turnId)
    await append(turnId, 1, "once")
    await append(turnId, 1, "once")
    assert.strictEqual((await live(turnId)).deltas.length, 1)
  })

  it("text of a turn that does not run is ignored", async () => {
    const { operator, sessionId, claim, append, finish, live, next } = await setUp()
    const queued = await send(operator, sessionId)
    await append(queued, 1, "early")
    assert.deepStrictEqual((await live(queued)).deltas, [])
    await claim(queued)
    await append(queued, 1, "mine")
    const later = await next()
    await append(queued, 2, "not claimed in this epoch", later)
    assert.strictEqual((await live(queued)).deltas.length, 1)
    await finish(queued, [], later)
    await append(queued, 3, "late", later)
    assert.deepStrictEqual((await live(queued)).deltas, [])
  })

  it("reports whether a client watches the session", async () => {
    const { operator, sessionId, claim, append } = await setUp()
    const turnId = await send(operator, sessionId)
    await claim(turnId)
    assert.deepStrictEqual(await append(turnId, 1, "a"), { watched: [] })
    await operator.mutation(api.sessions.watch, { sessionId })
    assert.deepStrictEqual(await append(turnId, 2, "b"), { watched: [turnId] })
    passSeconds(20)
    await operator.mutation(api.sessions.watch, { sessionId })
    passSeconds(44)
    assert.deepStrictEqual(await append(turnId, 3, "c"), { watched: [turnId] })
    passSeconds(1)
    assert.deepStrictEqual(await append(turnId, 4, "d"), { watched: [] })
  })

  it("rejects too many batches and over-long text", async () => {
    const { operator, worker, sessionId, append } = await setUp()
    const turnId = await send(operator, sessionId)
    const batches = Array.from({ length: 101 }, (_, seq) => ({ turnId, seq, segments: [] }))
    assert.strictEqual(await refusalOf(append(turnId, 1, "x".repeat(32_001))), "InvalidArgument")
    assert.strictEqual(
      await refusalOf(operator.mutation(api.queue.appendDeltas, { ...worker, batches })),
      "InvalidArgument"
    )
  })
})

describe("finishing", () => {
  it("writes the parts and the usage, and deletes the deltas", async () => {
    const { operator, worker, sessionId, claim, finish, live, parts } = await setUp()
    const turnId = await send(operator, sessionId)
    await claim(turnId)
    for (const first of [1, 101, 201])
      await operator.mutation(api.queue.appendDeltas, { ...worker, batches: hundred(turnId, first) })
    await finish(turnId, ['"a"', `"${"b".repeat(600_000)}"`])
    assert.deepInclude(await live(turnId), {
      sessionId,
      status: "completed",
      error: null,
      answeredBy: null,
      deltas: []
    })
    assert.deepStrictEqual(
      (await parts(turnId)).map(({ index, kind, payload }) => [index, kind, payload.length]),
      [
        [0, "text", 3],
        [1, "text", 600_002]
      ]
    )
    const { page } = await operator.query(api.turns.list, { sessionId, paginationOpts: { numItems: 1, cursor: null } })
    assert.deepNestedInclude(page[0], { "usage.cost": 0.01, status: "completed" })
  })

  it("stores parts that are read in pages, each complete", async () => {
    const { operator, sessionId, claim, finish } = await setUp()
    const turnId = await send(operator, sessionId)
    await claim(turnId)
    // Longer than a row, as long as one, and such that the row would end within a character.
    const payloads = ["a", "b".repeat(600_000), "c".repeat(250_000), `${"d".repeat(249_999)}🦊`, "", "f"]
    await finish(turnId, payloads)
    for (const numItems of [1, 2, 4, 100]) {
      const read: Array<string> = []
      let [cursor, isDone]: [string | null, boolean] = [null, false]
      while (!isDone) {
        const answer: FunctionReturnType<typeof api.turns.parts> = await operator.query(api.turns.parts, {
          turnId,
          paginationOpts: { numItems, cursor }
        })
        assert.isAtMost(answer.page.length, numItems)
        read.push(...answer.page.map(({ payload }) => payload))
        ;({ continueCursor: cursor, isDone } = answer)
      }
      assert.deepStrictEqual(
        read.map((payload) => payload.length),
        payloads.map((payload) => payload.length)
      )
      assert.isTrue(read.every((payload, index) => payload === payloads[index]))
    }
  })

  it("happens once: the first outcome is final", async () => {
    const { operator, worker, sessionId, claim, finish, live, parts } = await setUp()
    const turnId = await send(operator, sessionId)
    await claim(turnId)
    await finish(turnId, ["1"])
    const error = { name: "Late", message: "" }
    await operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "failed", error, parts: [] })
    assert.deepNestedInclude(await live(turnId), { status: "completed", error: null })
    assert.strictEqual((await parts(turnId)).length, 1)
  })

  it("stores the error", async () => {
    const { operator, worker, sessionId, claim, live } = await setUp()
    const turnId = await send(operator, sessionId)
    await claim(turnId)
    const error = { name: "ProviderAuthError", message: "No key" }
    await operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "failed", error, parts: [] })
    assert.deepInclude(await live(turnId), { sessionId, status: "failed", error, answeredBy: null, deltas: [] })
  })

  it("is rejected for an unclaimed turn, and for too many parts", async () => {
    const { operator, worker, sessionId, claim, finish } = await setUp()
    const turnId = await send(operator, sessionId)
    assert.strictEqual(await refusalOf(finish(turnId)), "Conflict")
    await claim(turnId)
    assert.strictEqual(await refusalOf(finish(turnId, ["x".repeat(3_000_001)])), "InvalidArgument")
    const error = { name: "E", message: "x".repeat(4_001) }
    const long = operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "failed", error, parts: [] })
    assert.strictEqual(await refusalOf(long), "InvalidArgument")
  })
})

describe("recovery", () => {
  it("lists turns of an earlier process, with their ids and whether they were delivered", async () => {
    const { operator, worker, sessionId, claim, deliver, next } = await setUp()
    const other = await newSession(operator, worker.workerId)
    const claimed = await send(operator, sessionId)
    const delivered = await send(operator, other)
    await claim(claimed)
    await claim(delivered)
    await deliver(delivered)
    assert.deepStrictEqual(await operator.query(api.queue.listOrphaned, { ...worker, limit: 10 }), [])
    const left = await operator.query(api.queue.listOrphaned, { ...(await next()), limit: 10 })
    assert.deepStrictEqual(
      left.map((turn) => [turn.turnId, turn.delivered, turn.messageId, turn.partId, turn.epoch]),
      [
        [claimed, false, "msg_1", "prt_1", worker.epoch],
        [delivered, true, "msg_1", "prt_1", worker.epoch]
      ]
    )
  })

  it("an unfinished turn whose request waits for an answer is listed as one that asks", async () => {
    const { operator, worker, sessionId, claim, deliver, next } = await setUp()
    const turnId = await send(operator, sessionId)
    await claim(turnId)
    await deliver(turnId)
    const requestId = await openRequest(operator, { ...worker, turnId, ...permission, opencodeId: "per_1" })
    const later = await next()
    const asks = async () =>
      (await operator.query(api.queue.listOrphaned, { ...later, limit: 10 })).map((turn) => turn.asks)
    assert.deepStrictEqual(await asks(), [true])
    await answerRequest(operator, requestId, { type: "once" })
    assert.deepStrictEqual(await asks(), [false])
  })

  it("lists claimed turns of this process that are not among the reported running ones", async () => {
    const { operator, worker, sessionId, claim, deliver } = await setUp()
    const sessions = [
      sessionId,
      await newSession(operator, worker.workerId),
      await newSession(operator, worker.workerId)
    ]
    const [left, runs, struck] = await Promise.all(sessions.map((id) => send(operator, id)))
    if (left === undefined || runs === undefined || struck === undefined) return assert.fail("Nothing was sent")
    for (const turnId of [left, runs, struck]) await claim(turnId)
    for (const turnId of [runs, struck]) await deliver(turnId)
    const unsettled = async (limit: number, ...running: Array<Id<"turns">>) =>
      (await operator.query(api.queue.listOrphaned, { ...worker, limit, running })).map(({ turnId }) => turnId)
    assert.sameMembers(await unsettled(10), [left, runs, struck])
    assert.deepStrictEqual(await unsettled(10, runs), [left, struck])
    assert.deepStrictEqual(await unsettled(1, left, runs), [struck])
    assert.deepStrictEqual(await operator.query(api.queue.listOrphaned, { ...worker, limit: 10 }), [])
    const many = Array.from({ length: 21 }, () => left)
    assert.strictEqual(await refusalOf(unsettled(10, ...many)), "InvalidArgument")
  })

  it("a turn with a requested abort is aborted instead of requeued, and the next one becomes ready", async () => {
    const { operator, sessionId, claim, live, next, ready, requeue } = await setUp()
    const turnId = await send(operator, sessionId)
    const following = await send(operator, sessionId)
    await claim(turnId)
    const later = await next()
    const stopped = async () =>
      (await operator.query(api.queue.listOrphaned, { ...later, limit: 10 })).map(
        ({ abortRequested }) => abortRequested
      )
    assert.deepStrictEqual(await stopped(), [false])
    await operator.mutation(api.turns.abort, { turnId })
    assert.deepStrictEqual(await stopped(), [true])
    await requeue(turnId, later)
    await requeue(turnId, later)
    assert.deepNestedInclude(await live(turnId), { status: "aborted", error: null })
    assert.deepStrictEqual(await ready(later), [following])
  })

  it("the next process reads the streamed text in pages", async () => {
    const { operator, worker, sessionId, claim, next } = await setUp()
    const turnId = await send(operator, sessionId)
    await claim(turnId)
    for (const first of [1, 101]) {
      await operator.mutation(api.queue.appendDeltas, { ...worker, batches: hundred(turnId, first) })
    }
    const later = await next()
    const page = (after: number) => operator.query(api.queue.listDeltas, { ...later, turnId, after })
    const first = await page(0)
    const second = await page(first.at(-1)?.seq ?? 0)
    const seqs = [...first, ...second].map(({ seq }) => seq)
    assert.deepStrictEqual(
      seqs,
      Array.from({ length: 200 }, (_, index) => index + 1)
    )
    assert.deepStrictEqual(first[0]?.segments, [{ partId: "p", kind: "text", text: "x" }])
    assert.deepStrictEqual(await page(200), [])
  })

  it("an undelivered turn is requeued once, and can be claimed again", async () => {
    const { operator, sessionId, claim, next, ready, requeue } = await setUp()
    const turnId = await send(operator, sessionId)
    await claim(turnId)
    const later = await next()
    await requeue(turnId, later)
    await requeue(turnId, later)
    assert.deepStrictEqual(await ready(later), [turnId])
    assert.isNotNull(await claim(turnId, later, "msg_2"))
  })

  it("all deltas of a requeued turn are deleted", async () => {
    const { operator, worker, sessionId, claim, live, requeue } = await setUp()
    const turnId = await send(operator, sessionId)
    await claim(turnId)
    for (const first of [1, 101, 201])
      await operator.mutation(api.queue.appendDeltas, { ...worker, batches: hundred(turnId, first) })
    await requeue(turnId)
    const { deltas } = await eventually(
      () => live(turnId),
      (tail) => tail.deltas.length === 0
    )
    assert.deepStrictEqual(deltas, [])
  })

  it("a turn ends with the largest parts after the largest stream", async () => {
    const { operator, worker, sessionId, claim, live, finish, parts } = await setUp()
    const turnId = await send(operator, sessionId, wide(200_000))
    await claim(turnId)
    for (let first = 1; first <= 100; first += 25) {
      const batches = Array.from({ length: 25 }, (_, index) => ({
        turnId,
        seq: first + index,
        segments: [{ partId: "p", kind: "text" as const, text: wide(31_900) }]
      }))
      await operator.mutation(api.queue.appendDeltas, { ...worker, batches })
    }
    await finish(turnId, [wide(1_000_000), wide(1_000_000), wide(900_000)])
    assert.strictEqual((await live(turnId)).status, "completed")
    assert.deepStrictEqual(
      (await parts(turnId)).map(({ payload }) => payload.length),
      [1_000_000, 1_000_000, 900_000]
    )
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: "k" })
    const session = () => operator.query(api.sessions.get, { sessionId })
    assert.isNull(await eventually(session, (found) => found === null))
  })

  it("a delivered turn is never requeued, but finished by the next process", async () => {
    const { operator, sessionId, claim, deliver, finish, live, next, requeue } = await setUp()
    const turnId = await send(operator, sessionId)
    await claim(turnId)
    await deliver(turnId)
    await deliver(turnId)
    const later = await next()
    assert.strictEqual(await refusalOf(requeue(turnId, later)), "Conflict")
    assert.strictEqual(await refusalOf(deliver(turnId, later)), "Conflict")
    await finish(turnId, ["1"], later)
    await eventually(
      () => live(turnId),
      ({ status }) => status === "completed"
    )
  })

  it("an unclaimed turn cannot be marked as delivered", async () => {
    const { operator, sessionId, deliver } = await setUp()
    assert.strictEqual(await refusalOf(deliver(await send(operator, sessionId))), "Conflict")
  })

  it("over-long ids are rejected", async () => {
    const { operator, worker, sessionId } = await setUp()
    const turnId = await send(operator, sessionId)
    const long = "x".repeat(501)
    for (const change of [{ messageId: long }, { partId: long }]) {
      const call = operator.mutation(api.queue.claim, { ...worker, turnId, ...ids, ...change })
      assert.strictEqual(await refusalOf(call), "InvalidArgument")
    }
  })
})
