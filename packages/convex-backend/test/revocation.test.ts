import { assert, describe, it } from "vitest"
import { api, type Id } from "../src/api.ts"
import {
  enlist,
  eventually,
  ids,
  newSession,
  permission,
  refusalOf,
  send,
  useDeployment
} from "./support/deployment.ts"

const deployment = useDeployment()

interface Segment {
  readonly partId: string
  readonly kind: "text" | "reasoning" | "tool"
  readonly text: string
}

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  /** A turn of a session of its own. */
  const claim = async () => {
    const turnId = await send(operator, await newSession(operator, worker.workerId))
    await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    return turnId
  }
  return {
    operator,
    worker,
    claim,
    run: async () => {
      const turnId = await claim()
      await operator.mutation(api.queue.markDelivered, { ...worker, turnId })
      return turnId
    },
    /** One batch for each list of segments, from the number `first` on. */
    stream: (turnId: Id<"turns">, batches: ReadonlyArray<Array<Segment>>, first = 1) =>
      operator.mutation(api.queue.appendDeltas, {
        ...worker,
        batches: batches.map((segments, index) => ({ turnId, seq: first + index, segments }))
      }),
    revoke: () => operator.mutation(api.workers.revoke, { workerId: worker.workerId }),
    ended: (turnId: Id<"turns">) =>
      eventually(
        () => operator.query(api.turns.live, { turnId, after: 0 }),
        ({ status }) => status !== "claimed" && status !== "running"
      ),
    parts: async (turnId: Id<"turns">) =>
      (await operator.query(api.turns.parts, { turnId, paginationOpts: { numItems: 100, cursor: null } })).page.map(
        ({ index, kind, payload }) => ({
          index,
          kind,
          ...JSON.parse(payload)
        })
      )
  }
}

const text = (partId: string, value: string): Segment => ({ partId, kind: "text", text: value })

describe("a worker that is revoked", () => {
  it("leaves its turns interrupted, with their streamed text, in order", async () => {
    const { claim, run, stream, revoke, ended, parts } = await setUp()
    const turns = [await run(), await run(), await claim()]
    const [first] = turns
    if (first === undefined) return assert.fail("Nothing runs")
    await stream(first, [
      [{ partId: "r", kind: "reasoning", text: "Well" }],
      [text("a", "One 🦊"), { partId: "t", kind: "tool", text: "ls" }],
      [text("b", "Two"), text("a", '\n"and" more')],
      ...Array.from({ length: 60 }, (_, index) => [text("b", `,${index}`)])
    ])
    await revoke()
    for (const turnId of turns) {
      const { status, error, deltas } = await ended(turnId)
      assert.deepStrictEqual([status, error?.name, deltas], ["interrupted", "WorkerRevoked", []])
    }
    assert.deepStrictEqual(await parts(first), [
      { index: 0, kind: "reasoning", id: "r", text: "Well" },
      { index: 1, kind: "text", id: "a", text: 'One 🦊\n"and" more' },
      { index: 2, kind: "text", id: "b", text: `Two,${Array.from({ length: 60 }, (_, index) => index).join()}` }
    ])
  })

  it("leaves a turn aborted for which an abort was requested", async () => {
    const { operator, run, revoke, ended } = await setUp()
    const turnId = await run()
    await operator.mutation(api.turns.abort, { turnId })
    await revoke()
    assert.deepNestedInclude(await ended(turnId), { status: "aborted", error: null })
  })

  it("has no open requests, and turns of other workers are not affected", async () => {
    const { operator, worker, run, revoke, ended } = await setUp()
    const other = await setUp()
    const [turnId, others] = [await run(), await other.run()]
    await operator.mutation(api.requests.open, { ...worker, turnId, ...permission })
    await revoke()
    await ended(turnId)
    assert.deepStrictEqual(await operator.query(api.requests.pending, {}), [])
    assert.strictEqual((await other.operator.query(api.turns.live, { turnId: others, after: 0 })).status, "running")
  })

  it("keeps the end of a text that is longer than a turn's parts, with a notice", async () => {
    const { run, stream, revoke, ended, parts } = await setUp()
    const turnId = await run()
    const batches = Array.from({ length: 50 }, (_, index) => [text(`p${index}`, "x".repeat(31_000))])
    await stream(turnId, batches)
    await stream(turnId, [...batches, [text("last", "The end")]], 51)
    await revoke()
    await ended(turnId)
    const kept = await parts(turnId)
    assert.deepNestedInclude(kept[0], {
      kind: "notice",
      text: "The text before this is too long and was not kept."
    })
    assert.deepNestedInclude(kept.at(-1), { kind: "text", text: "The end" })
    const length = kept.slice(1).reduce((sum, part) => sum + part.text.length, 0)
    assert.isAbove(length, 2_900_000)
    assert.isBelow(length, 3_000_000)
  })

  it("ends every turn, also if one has the longest text", async () => {
    const { run, stream, revoke, ended, parts } = await setUp()
    const [large, small] = [await run(), await run()]
    // Three bytes each where it is stored.
    const batches = Array.from({ length: 93 }, (_, index) => [text(`p${index}`, "好".repeat(31_900))])
    for (let from = 0; from < batches.length; from += 31) await stream(large, batches.slice(from, from + 31), from + 1)
    await stream(small, [[text("a", "Small")]])
    await revoke()
    for (const turnId of [small, large]) assert.strictEqual((await ended(turnId)).status, "interrupted")
    assert.deepNestedInclude((await parts(small))[0], { text: "Small" })
    const kept = await parts(large)
    assert.strictEqual(kept.length, 93)
    assert.isTrue(kept.every((part) => part.kind === "text" && part.text === "好".repeat(31_900)))
  })

  it("leaves its queued turns and commands failed, and sessions that were to be deleted are deleted", async () => {
    const { operator, worker, claim, revoke } = await setUp()
    const sessionId = await newSession(operator, worker.workerId)
    const waiting = [await send(operator, sessionId), await send(operator, sessionId)]
    const deleted = await newSession(operator, worker.workerId)
    await operator.mutation(api.sessions.linkOpenCodeSession, {
      ...worker,
      sessionId: deleted,
      opencodeSessionId: "ses_1"
    })
    await send(operator, deleted)
    await claim()
    const commands = [
      await operator.mutation(api.sessions.remove, { sessionId: deleted, idempotencyKey: "remove" }),
      await operator.mutation(api.sessions.loadHistory, { sessionId, idempotencyKey: "load" })
    ]
    await revoke()
    for (const turnId of waiting) {
      const { status, error } = await eventually(
        () => operator.query(api.turns.live, { turnId, after: 0 }),
        (live) => live.status !== "queued"
      )
      assert.deepStrictEqual([status, error?.name], ["failed", "WorkerRevoked"])
    }
    for (const commandId of commands) {
      if (commandId === null) return assert.fail("There is no command")
      const command = await eventually(
        () => operator.query(api.commands.get, { commandId }),
        (found) => found?.status !== "queued"
      )
      assert.strictEqual(command?.status, "failed")
      assert.match(command?.error ?? "", /revoked/)
    }
    const session = () => operator.query(api.sessions.get, { sessionId: deleted })
    assert.isNull(await eventually(session, (found) => found === null))
    assert.strictEqual((await operator.query(api.sessions.get, { sessionId }))?.status, "idle")
    const told = [
      operator.mutation(api.sessions.loadHistory, { sessionId, idempotencyKey: "later" }),
      operator.mutation(api.sessions.rename, { sessionId, title: "T", idempotencyKey: "rename" })
    ]
    assert.deepStrictEqual(await Promise.all(told.map(refusalOf)), ["Revoked", "Revoked"])
  })
})
