/** Actions on sessions as commands with a result, and the files that turns changed. */
import { randomUUID } from "node:crypto"
import { assert, describe, it } from "vitest"
import { api, type Id } from "../src/api.ts"
import { enlist, newSession, refusalOf, send, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

const file = (name: string, hash: string | null = `hash of ${name}`) => ({
  file: name,
  status: "modified" as const,
  additions: 1,
  deletions: 0,
  hash
})

const world = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  let messages = 0
  return {
    operator,
    worker,
    sessionId,
    /** Runs a turn that changes files. */
    run: async (...names: ReadonlyArray<string>) => {
      const turnId = await send(operator, sessionId)
      await operator.mutation(api.queue.claim, { ...worker, turnId, messageId: `msg_${++messages}`, partId: "prt" })
      const changes = { files: names.map((name) => file(name)), patch: names.join("\n"), truncated: false }
      await operator.mutation(api.queue.finish, {
        ...worker,
        turnId,
        outcome: "completed",
        parts: [],
        ...(names.length > 0 && { changes })
      })
      return turnId
    },
    undo: (turnId: Id<"turns">, of = sessionId) =>
      operator.mutation(api.sessionActions.undo, { sessionId: of, turnId, skip: ["a"], idempotencyKey: randomUUID() })
  }
}

describe("the changes of a turn", () => {
  it("are read with their patch, and the worker reads those that an undo takes back", async () => {
    const { operator, run, worker } = await world()
    const [first, second, third] = [await run("a.txt"), await run(), await run("a.txt", "b.txt")]
    assert.deepStrictEqual(await operator.query(api.changes.get, { turnId: third }), {
      files: [file("a.txt"), file("b.txt")],
      patch: "a.txt\nb.txt",
      truncated: false
    })
    assert.isNull(await operator.query(api.changes.get, { turnId: second }))
    const since = (turnId: Id<"turns">) => operator.query(api.changes.since, { ...worker, turnId })
    assert.deepStrictEqual(await since(first), {
      messageId: "msg_1",
      changes: [[file("a.txt")], [file("a.txt"), file("b.txt")]]
    })
    assert.deepStrictEqual(await since(second), { messageId: "msg_2", changes: [[file("a.txt"), file("b.txt")]] })
  })

  it("are those of at most 40 turns at once", async () => {
    const { operator, run, worker } = await world()
    const first = await run()
    for (let count = 0; count < 40; count++) await run()
    assert.strictEqual(await refusalOf(operator.query(api.changes.since, { ...worker, turnId: first })), "Conflict")
  })
})

describe("an action on a session", () => {
  it("is a command of its worker, whose result the operator reads", async () => {
    const { operator, run, sessionId, undo, worker } = await world()
    const turnId = await run("a.txt")
    const commandId = await undo(turnId)
    const [queued] = await operator.query(api.commands.queued, { ...worker, limit: 10 })
    assert.deepInclude(queued, {
      commandId,
      command: { kind: "undo", sessionId, turnId, skip: ["a"], force: [], preview: false }
    })
    const result = JSON.stringify({ files: [], undone: false })
    await operator.mutation(api.commands.settle, { ...worker, commandId, error: "Changed since", result })
    assert.deepInclude(await operator.query(api.commands.get, { commandId }), {
      status: "failed",
      error: "Changed since",
      result
    })
  })

  it("is queued once per key, with what it is about", async () => {
    const { operator, run, sessionId, worker } = await world()
    const turnId = await run("a.txt")
    const fork = () => operator.mutation(api.sessionActions.fork, { sessionId, turnId, idempotencyKey: "fork" })
    const redo = () => operator.mutation(api.sessionActions.redo, { sessionId, force: true, idempotencyKey: "redo" })
    assert.deepStrictEqual([await fork(), await redo()], [await fork(), await redo()])
    const queued = await operator.query(api.commands.queued, { ...worker, limit: 10 })
    assert.deepStrictEqual(
      queued.map(({ command }) => command),
      [
        { kind: "fork", sessionId, turnId },
        { kind: "redo", sessionId, force: true, preview: false }
      ]
    )
  })

  it("is begun by one process only", async () => {
    const { operator, sessionId, worker } = await world()
    const commandId = await operator.mutation(api.sessionActions.compact, { sessionId, idempotencyKey: "k" })
    const begin = (epoch: number) => operator.mutation(api.commands.begin, { ...worker, epoch, commandId })
    assert.deepStrictEqual([await begin(worker.epoch), await begin(worker.epoch)], [true, true])
    await operator.mutation(api.lease.release, worker)
    const { workerId, secret } = worker
    const { epoch } = await operator.mutation(api.lease.acquire, { workerId, secret, processId: "next" })
    assert.isFalse(await begin(epoch))
  })

  it("is for a turn of the session that OpenCode has", async () => {
    const { operator, run, sessionId, undo, worker } = await world()
    const turnId = await run("a.txt")
    const elsewhere = await newSession(operator, worker.workerId)
    assert.strictEqual(await refusalOf(undo(turnId, elsewhere)), "InvalidArgument")
    assert.strictEqual(await refusalOf(undo(await send(operator, sessionId))), "Conflict")
  })

  it("that is a shell command is in the audit once, and another command with its key is rejected", async () => {
    const { operator, sessionId, worker } = await world()
    const shell = (line: string) =>
      operator.mutation(api.sessionActions.shell, { sessionId, line, idempotencyKey: "k" })
    const commandId = await shell("ls\u0007")
    assert.strictEqual(await shell("ls\u0007"), commandId)
    assert.strictEqual(await refusalOf(shell("rm -rf .")), "Conflict")
    const { workerId } = worker
    const { page } = await operator.query(api.workers.audit, {
      workerId,
      paginationOpts: { numItems: 10, cursor: null }
    })
    const entries = page.filter((entry) => entry.action === "shell")
    assert.deepStrictEqual(
      entries.map(({ detail }) => detail),
      ["ls "]
    )
  })

  it("returns the mirror of a fork, which is a session of its own", async () => {
    const { operator, sessionId, worker } = await world()
    await operator.mutation(api.sessions.linkOpenCodeSession, { ...worker, sessionId, opencodeSessionId: "ses_1" })
    const session = { opencodeSessionId: "ses_2", title: "Copy", updatedAt: 1, createdForSessionId: sessionId }
    const copy = await operator.mutation(api.sync.adopt, { ...worker, session })
    assert.notStrictEqual(copy, sessionId)
    assert.strictEqual(await operator.mutation(api.sync.adopt, { ...worker, session }), copy)
    assert.deepInclude(await operator.query(api.sessions.get, { sessionId: copy }), { title: "Copy" })
  })
})
