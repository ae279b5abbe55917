import type { FunctionArgs } from "convex/server"
import { assert, describe, it } from "vitest"
import { api } from "../src/api.ts"
import { enlist, ids, newSession, refusalOf, send, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

type AddedTurn = FunctionArgs<typeof api.history.add>["turns"][number]

const addedTurn = (name: string, newer?: string): AddedTurn => ({
  messageId: `msg_${name}`,
  ...(newer !== undefined && { newerId: `msg_${newer}` }),
  text: name,
  askedAt: 1_000,
  finishedAt: 2_000,
  outcome: "completed",
  parts: [{ index: 0, kind: "text", payload: JSON.stringify(`answer to ${name}`) }]
})

const long = (name: string, count: number): AddedTurn => ({
  ...addedTurn(name),
  parts: Array.from({ length: count }, (_, index) => ({ index, kind: "text", payload: '{"text":"x"}' }))
})

/** Sends turns as a worker does: `turns` is from the oldest to the newest, and sent in reverse. */
const chain = (...names: ReadonlyArray<string>) =>
  names.map((name, index) => addedTurn(name, names[index + 1])).toReversed()

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  const list = async () =>
    (await operator.query(api.turns.list, { sessionId, paginationOpts: { numItems: 20, cursor: null } })).page
  return {
    operator,
    worker,
    sessionId,
    add: (...turns: ReadonlyArray<AddedTurn>) =>
      operator.mutation(api.history.add, { ...worker, sessionId, turns: [...turns] }),
    /** The same, while a prompt that is not finished here is in OpenCode. */
    addAfter: (name: string, ...turns: ReadonlyArray<AddedTurn>) =>
      operator.mutation(api.history.add, { ...worker, sessionId, turns: [...turns], runningId: `msg_${name}` }),
    running: () => operator.query(api.history.currentPrompt, { ...worker, sessionId }),
    known: async () => {
      const found = await operator.query(api.removals.turns, { ...worker, session: { sessionId }, limit: 10 })
      return found.turns.map(({ messageId }) => messageId)
    },
    list,
    order: async () => (await list()).map(({ head }) => head).join(" "),
    /** A prompt asked here, which reached OpenCode under this name. */
    asked: async (name: string) => {
      const turnId = await send(operator, sessionId, name)
      await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids, messageId: `msg_${name}` })
      return {
        turnId,
        end: () => operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "completed", parts: [] })
      }
    }
  }
}

describe("history", () => {
  it("comes before turns of the deployment, and is added once", async () => {
    const { add, known, list, order, operator, sessionId, asked } = await setUp()
    const { end } = await asked("C")
    assert.strictEqual(await add(...chain("A", "B", "C")), 2)
    assert.strictEqual(await add(...chain("A", "B", "C")), 0)
    await end()
    await send(operator, sessionId, "D")
    assert.strictEqual(await order(), "A B C D")
    assert.deepStrictEqual(await known(), ["msg_C", "msg_B", "msg_A"])
    const [first] = await list()
    if (first === undefined) return assert.fail("There is none")
    assert.deepInclude(first, { status: "completed", createdAt: 1_000, finishedAt: 2_000 })
    const { page: parts } = await operator.query(api.turns.parts, {
      turnId: first.turnId,
      paginationOpts: { numItems: 20, cursor: null }
    })
    assert.deepStrictEqual(parts, [{ index: 0, kind: "text", payload: '"answer to A"' }])
  })

  it("is ordered between turns of the deployment, also when it is sent in pieces", async () => {
    const { add, asked, operator, order, sessionId } = await setUp()
    await (await asked("C")).end()
    const running = await asked("F")
    await send(operator, sessionId, "G")
    const all = chain("A", "B", "C", "D", "E", "F")
    for (const turn of all) await add(turn)
    assert.strictEqual(await order(), "A B C D E F G")
    await running.end()
    assert.strictEqual(await add(...all), 0)
  })

  it("that is newer than all delivered turns is ordered before queued ones", async () => {
    const { add, asked, operator, order, sessionId } = await setUp()
    await (await asked("A")).end()
    await send(operator, sessionId, "Z")
    await add(...chain("A", "B", "C").slice(0, 2))
    assert.strictEqual(await order(), "A B C Z")
  })

  it("that precedes a prompt being delivered is ordered before it", async () => {
    const { add, asked, order, running } = await setUp()
    assert.isNull(await running())
    await asked("C")
    assert.strictEqual(await running(), "msg_C")
    await add(...chain("A", "B"))
    assert.strictEqual(await order(), "A B C")
  })

  it("that follows an unfinished turn is ordered after it", async () => {
    const { addAfter, asked, operator, order, sessionId } = await setUp()
    const { end } = await asked("A")
    await send(operator, sessionId, "D")
    await addAfter("A", ...chain("A", "B", "C"))
    assert.strictEqual(await order(), "A B C D")
    await end()
  })

  it("of a session without turns does not block its first prompt", async () => {
    const { operator, worker, sessionId, add, order } = await setUp()
    await add(...chain("A", "B"))
    const turnId = await send(operator, sessionId, "C")
    assert.strictEqual(await order(), "A B C")
    const [ready] = await operator.query(api.queue.listReady, { ...worker, limit: 1 })
    assert.strictEqual(ready?.turnId, turnId)
  })

  it("keeps 200 turns between two positions distinct and in order", async () => {
    const { add, asked, operator, sessionId } = await setUp()
    await (await asked("first")).end()
    await (await asked("last")).end()
    const names = Array.from({ length: 200 }, (_, index) => `${index}`)
    const all = chain("first", ...names, "last").slice(1, -1)
    for (let from = 0; from < all.length; from += 10) await add(...all.slice(from, from + 10))
    const texts: Array<string> = []
    const read = (cursor: string | null) =>
      operator.query(api.turns.list, { sessionId, paginationOpts: { numItems: 20, cursor } })
    for (let next = await read(null); ; next = await read(next.continueCursor)) {
      texts.push(...next.page.map(({ head }) => head))
      if (next.isDone) break
    }
    assert.deepStrictEqual(texts, ["first", ...names, "last"])
  })

  it("splits and joins parts that exceed a row", async () => {
    const { add, list, operator } = await setUp()
    const payload = JSON.stringify("x".repeat(2_000_000))
    await add({ ...addedTurn("A"), parts: [{ index: 0, kind: "tool", payload }] })
    const [turn] = await list()
    if (turn === undefined) return assert.fail("There is none")
    const paginationOpts = { numItems: 1, cursor: null }
    const { page } = await operator.query(api.turns.parts, { turnId: turn.turnId, paginationOpts })
    assert.strictEqual(page[0]?.payload, payload)
  })

  it("takes 500 parts of several turns in one call, and 2,000 of one turn", async () => {
    const { add, list } = await setUp()
    assert.strictEqual(await refusalOf(add(long("C", 500), long("B", 1))), "InvalidArgument")
    assert.strictEqual(await add(long("C", 499), long("B", 1)), 2)
    assert.strictEqual(await refusalOf(add(long("A", 2_001))), "InvalidArgument")
    assert.strictEqual(await add(long("A", 2_000)), 1)
    assert.sameMembers(
      (await list()).map(({ parts }) => parts),
      [499, 1, 2_000]
    )
  })

  it("rejects over-long input and names the field", async () => {
    const { add, addAfter } = await setUp()
    const many = Array.from({ length: 11 }, (_, index) => `${index}`)
    const changed = (change: Partial<AddedTurn>) => add({ ...addedTurn("A"), ...change })
    const refusals = [
      changed({ messageId: "x".repeat(501) }),
      changed({ newerId: "x".repeat(501) }),
      addAfter("x".repeat(501)),
      changed({ model: "x".repeat(501) }),
      changed({ text: "x".repeat(200_001) }),
      changed({ error: { name: "E", message: "x".repeat(4_001) } }),
      changed({ parts: [{ index: 0, kind: "text", payload: "x".repeat(3_000_001) }] }),
      add(...chain(...many))
    ]
    assert.deepStrictEqual(new Set(await Promise.all(refusals.map(refusalOf))), new Set(["InvalidArgument"]))
  })
})
