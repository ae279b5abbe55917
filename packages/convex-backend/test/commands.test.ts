import { randomUUID } from "node:crypto"
import { assert, describe, it } from "vitest"
import { api, type Id } from "../src/api.ts"
import {
  enlist,
  eventually,
  ids,
  newSession,
  pair,
  permission,
  refusalOf,
  send,
  useDeployment
} from "./support/deployment.ts"

const deployment = useDeployment()

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  const bind = { ...worker, sessionId, opencodeSessionId: "ses_1" }
  return {
    operator,
    worker,
    sessionId,
    queued: () => operator.query(api.commands.queued, { ...worker, limit: 20 }),
    settle: (commandId: Id<"commands">, error?: string) =>
      operator.mutation(api.commands.settle, { ...worker, commandId, ...(error !== undefined && { error }) }),
    claim: (turnId: Id<"turns">) => operator.mutation(api.queue.claim, { ...worker, turnId, ...ids }),
    finish: (turnId: Id<"turns">) =>
      operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "aborted", parts: [] }),
    bind: () => operator.mutation(api.sessions.linkOpenCodeSession, bind),
    status: async (turnId: Id<"turns">) => (await operator.query(api.turns.live, { turnId, after: 0 })).status,
    session: () => operator.query(api.sessions.get, { sessionId }),
    remove: () => operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: randomUUID() })
  }
}

describe("commands", () => {
  it("one key creates one command, which the worker sees until it is settled, and the operator afterwards", async () => {
    const { operator, worker, sessionId, queued, settle, bind } = await setUp()
    await bind()
    const load = () => operator.mutation(api.sessions.loadHistory, { sessionId, idempotencyKey: "k" })
    const commandId = await load()
    assert.strictEqual(await load(), commandId)
    const command = { kind: "loadHistory" as const, sessionId }
    assert.deepStrictEqual(await queued(), [{ commandId, command, opencodeSessionId: "ses_1", epoch: worker.epoch }])
    await settle(commandId)
    await settle(commandId, "too late")
    assert.deepStrictEqual(await queued(), [])
    const known = await operator.query(api.commands.get, { commandId })
    assert.deepNestedInclude(known, { command, status: "done", error: null })
    assert.strictEqual(await load(), commandId)
  })

  it("store their error", async () => {
    const { operator, worker, settle } = await setUp()
    const { workerId } = worker
    const commandId = await operator.mutation(api.workers.refreshModels, { workerId, idempotencyKey: "k" })
    await settle(commandId, "OpenCode is away")
    assert.deepNestedInclude(await operator.query(api.commands.get, { commandId }), {
      status: "failed",
      error: "OpenCode is away"
    })
  })

  it("are listed in order, up to a limit", async () => {
    const { operator, worker, queued } = await setUp()
    const { workerId } = worker
    const tell = { workerId, idempotencyKey: "" }
    await operator.mutation(api.workers.pause, { ...tell, idempotencyKey: "1" })
    await operator.mutation(api.workers.resume, { ...tell, idempotencyKey: "2" })
    await operator.mutation(api.workers.drain, { ...tell, idempotencyKey: "3" })
    assert.deepStrictEqual(
      (await queued()).map(({ command }) => command.kind),
      ["pause", "resume", "drain"]
    )
    const answers = []
    for (let index = 4; index <= 101; index++) {
      answers.push(await refusalOf(operator.mutation(api.workers.pause, { ...tell, idempotencyKey: `${index}` })))
    }
    assert.deepStrictEqual(
      answers.filter((answer) => typeof answer === "string"),
      ["RateLimited"]
    )
    assert.strictEqual((await queued()).length, 20)
  })

  it("to load a history are queued once per session, for any keys", async () => {
    const { operator, worker, sessionId, settle } = await setUp()
    const other = await newSession(operator, worker.workerId)
    const load = (id: typeof sessionId) =>
      operator.mutation(api.sessions.loadHistory, { sessionId: id, idempotencyKey: randomUUID() })
    const commandId = await load(sessionId)
    assert.strictEqual(await load(sessionId), commandId)
    assert.notStrictEqual(await load(other), commandId)
    await settle(commandId)
    assert.notStrictEqual(await load(sessionId), commandId)
  })

  it("to a process require an approved worker that is online", async () => {
    const { operator, worker } = await setUp()
    const offline = await pair(operator)
    const tell = (workerId: Id<"workers">) =>
      refusalOf(operator.mutation(api.workers.drain, { workerId, idempotencyKey: randomUUID() }))
    assert.strictEqual(await tell(offline.workerId), "Conflict")
    await operator.mutation(api.workers.revoke, { workerId: worker.workerId })
    assert.strictEqual(await tell(worker.workerId), "Revoked")
  })

  it("reject over-long input and name the field", async () => {
    const { operator, worker, sessionId, settle } = await setUp()
    const long = "x".repeat(501)
    const { workerId } = worker
    const commandId = await operator.mutation(api.workers.pause, { workerId, idempotencyKey: "k" })
    const refusals = [
      operator.mutation(api.sessions.rename, { sessionId, title: long, idempotencyKey: "a" }),
      operator.mutation(api.sessions.rename, { sessionId, title: "", idempotencyKey: "a" }),
      operator.mutation(api.sessions.rename, { sessionId, title: "t", idempotencyKey: long }),
      operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: long }),
      operator.mutation(api.sessions.loadHistory, { sessionId, idempotencyKey: "" }),
      operator.mutation(api.workers.pause, { workerId, idempotencyKey: long }),
      settle(commandId, "x".repeat(4_001))
    ]
    assert.deepStrictEqual(new Set(await Promise.all(refusals.map(refusalOf))), new Set(["InvalidArgument"]))
  })
})

describe("aborting", () => {
  it("ends a queued turn immediately, and makes the next one ready", async () => {
    const { operator, worker, sessionId, status, queued } = await setUp()
    const [first, second] = [await send(operator, sessionId), await send(operator, sessionId)]
    const abort = (turnId: Id<"turns">) => operator.mutation(api.turns.abort, { turnId })
    assert.isNull(await abort(first))
    assert.isNull(await abort(first))
    assert.strictEqual(await status(first), "aborted")
    const ready = await operator.query(api.queue.listReady, { ...worker, limit: 20 })
    assert.deepStrictEqual(
      ready.map(({ turnId }) => turnId),
      [second]
    )
    assert.deepStrictEqual(await queued(), [])
  })

  it("of a turn behind a running one does not affect the running one", async () => {
    const { operator, worker, sessionId, claim, status, session } = await setUp()
    const [first, second] = [await send(operator, sessionId), await send(operator, sessionId)]
    await claim(first)
    await operator.mutation(api.turns.abort, { turnId: second })
    assert.deepStrictEqual([await status(first), await status(second)], ["claimed", "aborted"])
    assert.strictEqual((await session())?.status, "running")
    assert.deepStrictEqual(await operator.query(api.queue.listReady, { ...worker, limit: 20 }), [])
  })

  it("of a running turn is shown to its worker until the turn ends, and takes no place of a command", async () => {
    const { operator, worker, sessionId, claim, finish, queued, status } = await setUp()
    const other = await newSession(operator, worker.workerId)
    const [turnId, untouched] = [await send(operator, sessionId), await send(operator, other)]
    await claim(turnId)
    await claim(untouched)
    const aborts = () => operator.query(api.queue.aborts, { ...worker, limit: 20 })
    assert.deepStrictEqual(await aborts(), [])
    for (let call = 1; call <= 2; call++) assert.isNull(await operator.mutation(api.turns.abort, { turnId }))
    assert.deepStrictEqual(await aborts(), [turnId])
    assert.deepStrictEqual(await queued(), [])
    await finish(turnId)
    assert.strictEqual(await status(turnId), "aborted")
    assert.deepStrictEqual(await aborts(), [])
    assert.isNull(await operator.mutation(api.turns.abort, { turnId }))
  })

  it("is requested by deleting the session", async () => {
    const { operator, worker, sessionId, claim } = await setUp()
    const turnId = await send(operator, sessionId)
    await claim(turnId)
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: "k" })
    assert.deepStrictEqual(await operator.query(api.queue.aborts, { ...worker, limit: 20 }), [turnId])
  })
})

describe("renaming", () => {
  it("takes effect immediately, is sent to OpenCode, and is not replaced by OpenCode's titles", async () => {
    const { operator, worker, sessionId, queued, session } = await setUp()
    await operator.mutation(api.sessions.rename, { sessionId, title: "Mine", idempotencyKey: "k" })
    await operator.mutation(api.sessions.linkOpenCodeSession, {
      ...worker,
      sessionId,
      opencodeSessionId: "ses_1",
      title: "Theirs"
    })
    assert.strictEqual((await session())?.title, "Mine")
    assert.deepNestedInclude((await queued())[0]?.command, { kind: "rename", title: "Mine" })
  })

  it("with an earlier key again keeps the later title", async () => {
    const { operator, sessionId, queued, session } = await setUp()
    const rename = (title: string) =>
      operator.mutation(api.sessions.rename, { sessionId, title, idempotencyKey: title })
    const first = await rename("First")
    await rename("Second")
    assert.strictEqual(await rename("First"), first)
    assert.strictEqual((await session())?.title, "Second")
    assert.strictEqual((await queued()).length, 2)
  })
})

describe("deleting", () => {
  it("waits for the worker, rejects new turns, and then deletes all rows", async () => {
    const { operator, sessionId, worker, bind, claim, finish, queued, session, settle, remove } = await setUp()
    await bind()
    const running = await send(operator, sessionId)
    const waiting = await send(operator, sessionId)
    await claim(running)
    await operator.mutation(api.requests.open, { ...worker, turnId: running, ...permission })
    const commandId = await remove()
    if (commandId === null) return assert.fail("There is no command")
    assert.strictEqual((await session())?.status, "deleting")
    assert.strictEqual(await refusalOf(send(operator, sessionId)), "Conflict")
    await finish(running)
    assert.strictEqual((await session())?.status, "deleting")
    assert.deepStrictEqual(await operator.query(api.queue.listReady, { ...worker, limit: 20 }), [])
    assert.isNull(await claim(waiting))
    assert.deepNestedInclude((await queued())[0], { opencodeSessionId: "ses_1" })
    await settle(commandId)
    assert.isNull(await eventually(session, (found) => found === null))
    for (const turnId of [running, waiting]) {
      const live = operator.query(api.turns.live, { turnId, after: 0 })
      assert.strictEqual(await refusalOf(live), "NotFound")
    }
  })

  it("that fails restores the session and its queued turns", async () => {
    const { operator, worker, sessionId, bind, settle, session, remove } = await setUp()
    await bind()
    const waiting = await send(operator, sessionId)
    const commandId = await remove()
    if (commandId === null) return assert.fail("There is no command")
    await settle(commandId, "OpenCode is away")
    assert.strictEqual((await session())?.status, "idle")
    const [ready] = await operator.query(api.queue.listReady, { ...worker, limit: 20 })
    assert.strictEqual(ready?.turnId, waiting)
  })

  it("that fails while a turn runs leaves the session running", async () => {
    const { operator, worker, sessionId, bind, claim, finish, settle, session, remove } = await setUp()
    await bind()
    const [running, waiting] = [await send(operator, sessionId), await send(operator, sessionId)]
    await claim(running)
    const commandId = await remove()
    if (commandId === null) return assert.fail("There is no command")
    await settle(commandId, "OpenCode is away")
    assert.strictEqual((await session())?.status, "running")
    assert.deepStrictEqual(await operator.query(api.queue.listReady, { ...worker, limit: 20 }), [])
    await finish(running)
    assert.strictEqual((await session())?.status, "idle")
    const [ready] = await operator.query(api.queue.listReady, { ...worker, limit: 20 })
    assert.strictEqual(ready?.turnId, waiting)
  })

  it("can be retried with another key after a failure, and reports success although the session is deleted", async () => {
    const { operator, sessionId, bind, settle, session } = await setUp()
    await bind()
    const remove = (idempotencyKey: string) => operator.mutation(api.sessions.remove, { sessionId, idempotencyKey })
    const failed = await remove("first")
    if (failed === null) return assert.fail("There is no command")
    await settle(failed, "OpenCode is away")
    assert.strictEqual(await remove("first"), failed)
    assert.strictEqual((await session())?.status, "idle")
    assert.property(await refusalOf(send(operator, sessionId)), "accepted")
    const again = await remove("second")
    if (again === null) return assert.fail("There is no command")
    assert.strictEqual((await session())?.status, "deleting")
    await settle(again)
    await eventually(session, (found) => found === null)
    assert.strictEqual(await remove("second"), again)
  })

  it("needs no worker if OpenCode has no such session, or the worker is revoked", async () => {
    const unknown = await setUp()
    assert.isNull(await unknown.remove())
    await eventually(unknown.session, (found) => found === null)

    const revoked = await setUp()
    await revoked.bind()
    await revoked.operator.mutation(api.workers.revoke, { workerId: revoked.worker.workerId })
    assert.isNull(await revoked.remove())
    await eventually(revoked.session, (found) => found === null)
  })
})
