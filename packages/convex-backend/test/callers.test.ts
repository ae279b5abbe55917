/** Access control: one valid call of every public function, by all callers that must be rejected. */
import { randomUUID } from "node:crypto"
import { type ConvexHttpClient } from "convex/browser"
import { makeFunctionReference } from "convex/server"
import { assert, describe, it } from "vitest"
import { MAX_CATALOG, MAX_PARTS_TOTAL, MAX_REQUEST } from "../convex/limits.ts"
import { api } from "../src/api.ts"
import { newDevice, newKey } from "./support/device.ts"
import {
  answerRequest,
  enlist,
  ids,
  newSecret,
  newSession,
  openRequest,
  pair,
  permission,
  refusalOf,
  send,
  sha256,
  uploaded,
  useDeployment
} from "./support/deployment.ts"
import { publicFunctions } from "./support/functions.ts"

const functions = await publicFunctions()
const deployment = useDeployment()

const paginationOpts = { numItems: 10, cursor: null }

/** A person with a worker that claimed a turn of a session. */
const world = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  const endedId = await send(operator, await newSession(operator, worker.workerId))
  await operator.mutation(api.turns.abort, { turnId: endedId })
  const turnId = await send(operator, sessionId)
  await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
  const requestId = await openRequest(operator, { ...worker, turnId, ...permission })
  const { hash } = await operator.query(api.requests.get, { requestId })
  const always = { scope: "another", label: "another command" }
  const otherId = await openRequest(operator, { ...worker, turnId, ...permission, opencodeId: "per_2", always })
  await answerRequest(operator, otherId, { type: "always" })
  const [approval] = (await operator.query(api.approvals.list, { paginationOpts })).page
  if (approval === undefined) throw new Error("There is no approval")
  const { approvalId } = approval
  const [item] = await operator.query(api.inbox.list, {})
  if (item === undefined) throw new Error("The inbox is empty")
  const { itemId } = item
  const url = "https://127.0.0.1:1/"
  const targetId = await operator.mutation(api.notifications.add, { kind: "webhook", url, wants: ["gone"] })
  const queuedId = await send(operator, sessionId)
  const commandId = await operator.mutation(api.sessions.rename, { sessionId, title: "T", idempotencyKey: "rename" })
  const { deviceId } = await newDevice(deployment(), operator, "read")
  const storageId = await uploaded(operator)
  const query = { kind: "vcs" as const }
  const queryId = await operator.mutation(api.queries.ask, {
    workerId: worker.workerId,
    query,
    idempotencyKey: "query"
  })
  return {
    operator,
    worker,
    sessionId,
    turnId,
    endedId,
    queuedId,
    requestId,
    hash,
    approvalId,
    itemId,
    targetId,
    commandId,
    queryId,
    deviceId,
    storageId
  }
}
type World = Awaited<ReturnType<typeof world>>

/** One for all tests that must not change it. */
const shared = <A>(make: () => Promise<A>) => {
  let made: Promise<A> | undefined
  return () => (made ??= make())
}
const common = shared(world)
const stranger = shared(() => deployment().operator())
const another = shared(async () => enlist((await common()).operator))
/** A device of each scope, and one that was revoked, all of the operator of `common`. */
const devices = shared(async () => {
  const { operator } = await common()
  const device = (scope: "read" | "approve" | "operate") => newDevice(deployment(), operator, scope)
  const lost = await device("operate")
  await operator.mutation(api.devices.revoke, { deviceId: lost.deviceId })
  return { read: await device("read"), approve: await device("approve"), operate: await device("operate"), lost }
})
const revoked = shared(async () => {
  const there = await world()
  await there.operator.mutation(api.workers.revoke, { workerId: there.worker.workerId })
  return there
})
const fenced = shared(async () => {
  const there = await world()
  await there.operator.mutation(api.lease.release, there.worker)
  await there.operator.mutation(api.lease.acquire, { ...signed("lease:acquire", there.worker), processId: "next" })
  return there
})
/** The arguments of operators' functions, and the result for another operator. */
const operatorCalls: Record<string, [args: (world: World) => Record<string, unknown>, byAStranger: unknown]> = {
  "pairing:preview": [() => ({ code: "0000-0000" }), "NotFound"],
  "pairing:approve": [() => ({ code: "0000-0000" }), "NotFound"],
  "workers:list": [() => ({}), { accepted: [] }],
  "workers:audit": [({ worker }) => ({ workerId: worker.workerId, paginationOpts }), "NotFound"],
  "workers:revoke": [({ worker }) => ({ workerId: worker.workerId }), "NotFound"],
  "sessions:create": [({ worker }) => ({ workerId: worker.workerId, idempotencyKey: "k" }), "NotFound"],
  "sessions:list": [() => ({ paginationOpts }), "empty"],
  "sessions:get": [({ sessionId }) => ({ sessionId }), { accepted: null }],
  "turns:send": [
    ({ sessionId, storageId }) => ({
      sessionId,
      text: "Hi",
      variant: "v",
      files: [{ storageId, name: "a.txt", type: "text/plain" }],
      idempotencyKey: "k"
    }),
    "NotFound"
  ],
  "turns:command": [
    ({ sessionId, storageId }) => ({
      sessionId,
      name: "review",
      arguments: "all",
      files: [{ storageId, name: "a.txt", type: "text/plain" }],
      idempotencyKey: "command"
    }),
    "NotFound"
  ],
  "promptQueue:list": [({ sessionId }) => ({ sessionId }), "NotFound"],
  "promptQueue:edit": [
    ({ queuedId }) => ({ turnId: queuedId, text: "Hi", model: "p/m", agent: "a", variant: "v" }),
    "NotFound"
  ],
  "promptQueue:move": [({ queuedId }) => ({ turnId: queuedId, before: null }), "NotFound"],
  "promptQueue:drop": [({ queuedId }) => ({ turnId: queuedId }), "NotFound"],
  "turns:resend": [({ endedId }) => ({ turnId: endedId, idempotencyKey: "k" }), "NotFound"],
  "turns:list": [({ sessionId }) => ({ sessionId, paginationOpts }), "NotFound"],
  "turns:live": [({ turnId }) => ({ turnId, after: 0 }), "NotFound"],
  "turns:parts": [({ turnId }) => ({ turnId, paginationOpts }), "NotFound"],
  "turns:prompt": [({ turnId }) => ({ turnId }), "NotFound"],
  "turns:outline": [({ endedId }) => ({ turnId: endedId, paginationOpts }), "NotFound"],
  "turns:part": [({ endedId }) => ({ turnId: endedId, index: 0 }), "NotFound"],
  "turns:abort": [({ turnId }) => ({ turnId }), "NotFound"],
  "sessions:rename": [({ sessionId }) => ({ sessionId, title: "T", idempotencyKey: "k" }), "NotFound"],
  "sessions:watch": [({ sessionId }) => ({ sessionId }), "NotFound"],
  "sessions:remove": [({ sessionId }) => ({ sessionId, idempotencyKey: "k" }), "NotFound"],
  "sessions:loadHistory": [({ sessionId }) => ({ sessionId, idempotencyKey: "k" }), "NotFound"],
  "sessionActions:undo": [
    ({ sessionId, turnId }) => ({ sessionId, turnId, skip: ["a"], force: ["a"], idempotencyKey: "k" }),
    "NotFound"
  ],
  "sessionActions:redo": [({ sessionId }) => ({ sessionId, idempotencyKey: "k" }), "NotFound"],
  "sessionActions:fork": [({ sessionId, turnId }) => ({ sessionId, turnId, idempotencyKey: "k" }), "NotFound"],
  "sessionActions:compact": [({ sessionId }) => ({ sessionId, idempotencyKey: "k" }), "NotFound"],
  "sessionActions:shell": [({ sessionId }) => ({ sessionId, line: "ls", idempotencyKey: "k" }), "NotFound"],
  "changes:get": [({ turnId }) => ({ turnId }), "NotFound"],
  "workers:pause": [({ worker }) => ({ workerId: worker.workerId, idempotencyKey: "k" }), "NotFound"],
  "workers:resume": [({ worker }) => ({ workerId: worker.workerId, idempotencyKey: "k" }), "NotFound"],
  "workers:drain": [({ worker }) => ({ workerId: worker.workerId, idempotencyKey: "k" }), "NotFound"],
  "workers:refreshModels": [({ worker }) => ({ workerId: worker.workerId, idempotencyKey: "k" }), "NotFound"],
  "models:get": [({ worker }) => ({ workerId: worker.workerId }), "NotFound"],
  "catalog:get": [({ worker }) => ({ workerId: worker.workerId }), "NotFound"],
  "commands:get": [({ commandId }) => ({ commandId }), { accepted: null }],
  "files:uploadUrl": [() => ({ type: "text/plain", size: 1 }), "own"],
  "files:list": [({ turnId }) => ({ turnId }), "NotFound"],
  "queries:ask": [
    ({ worker }) => ({ workerId: worker.workerId, query: { kind: "vcs" }, idempotencyKey: "k" }),
    "NotFound"
  ],
  "queries:get": [({ queryId }) => ({ queryId }), "NotFound"],
  "queries:close": [({ queryId }) => ({ queryId }), { accepted: null }],
  "requests:pending": [({ sessionId }) => ({ sessionId }), "NotFound"],
  "requests:get": [({ requestId }) => ({ requestId }), "NotFound"],
  "requests:answer": [({ requestId, hash }) => ({ requestId, hash, answer: { type: "once" } }), "NotFound"],
  "inbox:list": [() => ({}), { accepted: [] }],
  "inbox:count": [() => ({}), { accepted: 0 }],
  "inbox:markRead": [({ itemId }) => ({ itemIds: [itemId], read: true }), "NotFound"],
  "inbox:pin": [({ itemId }) => ({ itemId, pinned: true }), "NotFound"],
  "inbox:archive": [({ itemId }) => ({ itemId, archived: true }), "NotFound"],
  "notifications:list": [() => ({}), { accepted: [] }],
  "notifications:add": [() => ({ kind: "webhook", url: "https://127.0.0.1:1/a", secret: "s", wants: ["gone"] }), "own"],
  "notifications:remove": [({ targetId }) => ({ targetId }), "NotFound"],
  "notifications:test": [({ targetId }) => ({ targetId }), "NotFound"],
  "pushSubscriptions:key": [() => ({}), "own"],
  "pushSubscriptions:subscribe": [
    () => ({ endpoint: "https://127.0.0.1:1/p", p256dh: `B${"A".repeat(86)}`, auth: "A".repeat(22), wants: ["gone"] }),
    "own"
  ],
  "pushSubscriptions:unsubscribe": [() => ({ endpoint: "https://127.0.0.1:1/p" }), { accepted: null }],
  "usage:session": [({ sessionId }) => ({ sessionId }), "NotFound"],
  "usage:days": [() => ({ from: "2000-01-01", to: "3000-01-01", paginationOpts }), "empty"],
  "search:find": [() => ({ text: "Hello" }), { accepted: [] }],
  "approvals:list": [({ worker }) => ({ workerId: worker.workerId, paginationOpts }), "NotFound"],
  "approvals:revoke": [({ approvalId }) => ({ approvalId }), "NotFound"],
  "devices:add": [() => ({ name: "phone", scope: "read" }), "own"],
  "devices:list": [() => ({}), { accepted: [] }],
  "devices:audit": [() => ({ paginationOpts }), "own"],
  "devices:rename": [({ deviceId }) => ({ deviceId, name: "tablet" }), "NotFound"],
  "devices:revoke": [({ deviceId }) => ({ deviceId }), "NotFound"],
  "devices:leave": [() => ({}), { accepted: null }]
}

const answeredBy = { model: "p/m", agent: "build" }
const error = { name: "E", message: "m" }
const file = { file: "a.txt", status: "added" as const, additions: 1, deletions: 0, hash: "h" }
const changes = { files: [file], patch: "p", truncated: false }
const parts = [{ index: 0, kind: "text", payload: "{}" }]
const info = {
  version: "1.0.0",
  opencode: { version: "1.18.33", state: "running" },
  branch: "main",
  permissions: "careful",
  shell: false,
  diskFree: null,
  databaseBytes: 0
}

/** The arguments of workers' functions in addition to credentials, and the result for another worker. */
const workerCalls: Record<string, [args: (world: World) => Record<string, unknown>, byAnother: unknown]> = {
  "pairing:rotate": [() => ({ secretHash: sha256("next") }), "own"],
  "pairing:owner": [() => ({}), "own"],
  "lease:acquire": [() => ({ processId: "p" }), "own"],
  "lease:heartbeat": [() => ({ phase: "ready" }), "own"],
  "lease:release": [() => ({}), "own"],
  "workers:report": [() => ({ info }), "own"],
  "sessions:getForWorker": [({ sessionId }) => ({ sessionId }), "NotFound"],
  "sessions:linkOpenCodeSession": [({ sessionId }) => ({ sessionId, opencodeSessionId: "ses_1" }), "NotFound"],
  "queue:listReady": [() => ({ limit: 10 }), { accepted: [] }],
  "queue:listOrphaned": [() => ({ limit: 10 }), { accepted: [] }],
  "queue:aborts": [() => ({ limit: 10 }), { accepted: [] }],
  "queue:claim": [({ turnId }) => ({ turnId, ...ids }), "NotFound"],
  "queue:markDelivered": [({ turnId }) => ({ turnId }), "NotFound"],
  "queue:appendDeltas": [
    ({ turnId }) => ({ batches: [{ turnId, seq: 1, segments: [{ partId: "p", kind: "text", text: "forged" }] }] }),
    { accepted: { watched: [] } }
  ],
  "deltas:watched": [() => ({}), { accepted: [] }],
  "queue:listDeltas": [({ turnId }) => ({ turnId, after: 0 }), "NotFound"],
  "queue:finish": [
    ({ storageId, turnId }) => ({
      turnId,
      outcome: "completed",
      error,
      answeredBy,
      changes,
      parts,
      files: [{ storageId, name: "a.txt", type: "text/plain" }]
    }),
    "NotFound"
  ],
  "queue:requeue": [({ turnId }) => ({ turnId }), "NotFound"],
  "adopt:turn": [({ turnId }) => ({ turnId }), "NotFound"],
  "history:add": [
    ({ sessionId, storageId }) => ({
      sessionId,
      turns: [
        {
          messageId: "m",
          text: "Hi",
          askedAt: 1,
          finishedAt: 1,
          outcome: "completed",
          error,
          answeredBy,
          parts,
          files: [{ storageId, name: "a.txt", type: "text/plain" }]
        }
      ]
    }),
    "NotFound"
  ],
  "history:currentPrompt": [({ sessionId }) => ({ sessionId }), "NotFound"],
  "removals:turns": [({ sessionId }) => ({ session: { sessionId }, limit: 10 }), "NotFound"],
  "removals:removePrompts": [({ sessionId }) => ({ session: { sessionId }, messageIds: ["m"] }), "NotFound"],
  "removals:keepParts": [
    ({ sessionId }) => ({ session: { sessionId }, messageId: "m", partIds: ["prt_1"] }),
    "NotFound"
  ],
  "files:forTurn": [({ turnId }) => ({ turnId }), "NotFound"],
  "files:agentUploadUrl": [() => ({ type: "text/plain", size: 1 }), "own"],
  "sync:watermark": [() => ({}), { accepted: 0 }],
  "sync:diff": [
    () => ({ sessions: [{ opencodeSessionId: "ses_1", title: "T", updatedAt: 1 }] }),
    { accepted: ["ses_1"] }
  ],
  "sync:apply": [() => ({ sessions: [{ opencodeSessionId: "ses_1", title: "T", updatedAt: 1 }] }), "own"],
  "sync:removeDeleted": [() => ({ opencodeSessionIds: ["ses_1"] }), { accepted: null }],
  "models:published": [() => ({}), { accepted: null }],
  "catalog:published": [() => ({}), { accepted: null }],
  "catalog:publish": [
    () => ({ hash: "h", agents: [{ name: "a", mode: "m" }], commands: [{ name: "c" }], skills: [{ name: "s" }] }),
    "own"
  ],
  "models:publish": [() => ({ hash: "h", models: "[]", default: null }), "own"],
  "commands:queued": [() => ({ limit: 10 }), { accepted: [] }],
  "commands:begin": [({ commandId }) => ({ commandId }), "NotFound"],
  "commands:settle": [({ commandId }) => ({ commandId, result: "{}" }), "NotFound"],
  "queries:waiting": [() => ({}), { accepted: [] }],
  "queries:answer": [({ queryId }) => ({ queryId, result: "{}" }), { accepted: null }],
  "changes:since": [({ turnId }) => ({ turnId }), "NotFound"],
  "sync:adopt": [() => ({ session: { opencodeSessionId: "ses_1", title: "T", updatedAt: 1 } }), "own"],
  "requests:open": [({ turnId }) => ({ turnId, ...permission }), "NotFound"],
  "requests:answers": [() => ({ limit: 10 }), { accepted: [] }],
  "requests:close": [({ requestId }) => ({ requestId, as: "cancelled" }), "NotFound"]
}

const pathsOf = (caller: string) => functions.filter((each) => each.caller === caller).map(({ path }) => path)

/** Where a function takes text. */
const textsOf = (path: string) => functions.find((each) => each.path === path)?.texts ?? []

const call = (client: ConvexHttpClient, path: string, args: Record<string, unknown>) => {
  const { kind } = functions.find((each) => each.path === path) ?? {}
  if (kind === "query") return refusalOf(client.query(makeFunctionReference<"query">(path), args))
  return refusalOf(
    kind === "action"
      ? client.action(makeFunctionReference<"action">(path), args)
      : client.mutation(makeFunctionReference<"mutation">(path), args)
  )
}

/** The functions that a worker calls without a lease. */
const leaseless: ReadonlySet<string> = new Set(["lease:acquire", "pairing:owner"])

/** A worker's function with exactly the credentials that it declares. */
const signed = (path: string, { epoch, ...credentials }: World["worker"]) =>
  leaseless.has(path) ? credentials : { ...credentials, epoch }

describe("operators' functions", () => {
  it("are all in the table", () => {
    assert.sameMembers(Object.keys(operatorCalls), pathsOf("operator"))
  })

  it.each(Object.entries(operatorCalls))("%s is refused to who is not signed in", async (path, [args]) => {
    assert.strictEqual(await call(deployment().anonymous(), path, args(await common())), "Unauthenticated")
  })

  it.each(Object.entries(operatorCalls))("%s does not access rows of others", async (path, [args, expected]) => {
    const answer = await call(await stranger(), path, args(await common()))
    if (expected === "own") assert.property(answer, "accepted")
    else if (expected === "empty") assert.deepNestedInclude(answer, { "accepted.page": [] })
    else assert.deepStrictEqual(answer, expected)
  })
})

/** Whether a device of the scope may call a function. The call may fail for another reason. */
const permits = { read: ["read"], approve: ["read", "approve"], operate: ["read", "approve", "operate"] } as const

/** Functions whose rows belong to the device that created them. */
const ofDevice: ReadonlySet<string> = new Set(["queries:get"])

describe("devices", () => {
  const scoped = functions.flatMap(({ path, scope }) => (scope === undefined ? [] : [[path, scope] as const]))

  it.each(scoped)("%s can be called by devices with the scope %s", async (path, needed) => {
    const there = await common()
    const { lost, ...others } = await devices()
    const [args] = operatorCalls[path] ?? []
    if (args === undefined) return assert.fail(`${path} is not in the table`)
    for (const scope of ["read", "approve", "operate"] as const) {
      const isPermitted = permits[scope].some((each) => each === needed)
      // The calls that are permitted run elsewhere: here they would change what the other tests use.
      if (isPermitted && needed !== "read") continue
      if (isPermitted && path === "devices:leave") continue
      const answer = await call(others[scope].client, path, args(there))
      if (isPermitted && ofDevice.has(path)) assert.strictEqual(answer, "NotFound", scope)
      else if (isPermitted) assert.property(answer, "accepted", scope)
      else assert.strictEqual(answer, "Forbidden", scope)
    }
    assert.strictEqual(await call(lost.client, path, args(there)), "Revoked")
  })

  it("with a permitted scope act as their operator", async () => {
    const there = await world()
    const device = (scope: "approve" | "operate") => newDevice(deployment(), there.operator, scope)
    const { client } = await device("operate")
    for (const { path } of functions.filter(({ kind, scope }) => scope === "operate" && kind !== "query")) {
      const args = operatorCalls[path]?.[0](there) ?? {}
      const answer = await call(client, path, "idempotencyKey" in args ? { ...args, idempotencyKey: path } : args)
      assert.notInclude(["Unauthenticated", "Forbidden"], answer, path)
    }
    const approver = await device("approve")
    const { requestId, hash } = await world()
    const other = await call(approver.client, "requests:answer", { requestId, hash, answer: { type: "once" } })
    assert.strictEqual(other, "NotFound")
  })
})

describe("workers' functions", () => {
  it("are all in the table", () => {
    assert.sameMembers(Object.keys(workerCalls), pathsOf("worker"))
  })

  it.each(Object.entries(workerCalls))("%s is refused with a wrong secret", async (path, [args]) => {
    const there = await common()
    const worker = { ...there.worker, secret: newSecret() }
    assert.strictEqual(await call(there.operator, path, { ...signed(path, worker), ...args(there) }), "WrongSecret")
  })

  it.each(Object.entries(workerCalls))("%s is refused to a revoked worker", async (path, [args]) => {
    const there = await revoked()
    assert.strictEqual(await call(there.operator, path, { ...signed(path, there.worker), ...args(there) }), "Revoked")
  })

  it.each(Object.entries(workerCalls).filter(([path]) => !leaseless.has(path)))(
    "%s is refused under a stale epoch",
    async (path, [args]) => {
      const there = await fenced()
      assert.strictEqual(await call(there.operator, path, { ...signed(path, there.worker), ...args(there) }), "Fenced")
    }
  )

  it.each(Object.entries(workerCalls).filter(([, [, expected]]) => expected !== "own"))(
    "%s does nothing with what is another worker's",
    async (path, [args, expected]) => {
      const there = await common()
      const answer = await call(there.operator, path, { ...signed(path, await another()), ...args(there) })
      assert.deepStrictEqual(answer, expected)
      const live = await there.operator.query(api.turns.live, { turnId: there.turnId, after: 0 })
      assert.deepInclude(live, { status: "claimed", error: null, answeredBy: null, deltas: [] })
    }
  )
})

/** `value` with `text` where `keys` lead. */
const withText = (value: unknown, [key, ...keys]: ReadonlyArray<string>, text: string): unknown => {
  if (key === undefined) return text
  if (Array.isArray(value))
    return value.map((each, index) => (index === Number(key) ? withText(each, keys, text) : each))
  const fields: Record<string, unknown> = { ...Object(value) }
  return { ...fields, [key]: withText(fields[key], keys, text) }
}

describe("every function", () => {
  const calls = Object.entries({ ...operatorCalls, ...workerCalls })
  /** Above the limit of every field, and of the two longest: a worker's models, and the parts of a turn. */
  const long = "x".repeat(MAX_REQUEST + 1)
  const endless = "x".repeat(Math.max(MAX_CATALOG, MAX_PARTS_TOTAL) + 1)

  /** Arguments that Convex reads itself, or that are only looked up. */
  const unbounded = /^paginationOpts|^opencodeSessionIds/
  const bounded = calls.flatMap(([path, [args]]) =>
    textsOf(path).flatMap((field) => (unbounded.test(field) ? [] : [[path, field, args] as const]))
  )

  it.each(bounded)("%s rejects a %s that is too long", async (path, field, args) => {
    const there = await common()
    const own = path in workerCalls ? signed(path, there.worker) : {}
    const tooLong = /\b(models|payload)$/.test(field) ? endless : long
    const changed = { ...Object(withText({ ...own, ...args(there) }, field.split("."), tooLong)) }
    const answer = await call(there.operator, path, changed)
    assert.strictEqual(answer, field === "secret" && path in workerCalls ? "WrongSecret" : "InvalidArgument")
  })

  it.each(calls.filter(([path]) => textsOf(path).includes("idempotencyKey")))(
    "%s with the same key is one",
    async (path, [args]) => {
      const there = await world()
      const again = async () => call(there.operator, path, { ...args(there), idempotencyKey: path })
      assert.deepStrictEqual(await again(), await again())
    }
  )
})

describe("anonymous functions", () => {
  it("begin takes a machine, a directory and a hash, each of a bounded length", async () => {
    const valid = { machine: "m", directory: "/d", secretHash: sha256("s") }
    const anonymous = deployment().anonymous()
    const begin = (change: object) => call(anonymous, "pairing:begin", { ...valid, ...change })
    assert.strictEqual(await begin({ machine: "m".repeat(101) }), "InvalidArgument")
    assert.strictEqual(await begin({ directory: "" }), "InvalidArgument")
    assert.strictEqual(await begin({ secretHash: "the secret itself" }), "InvalidArgument")
    assert.strictEqual(await begin({ more: randomUUID() }), "invalid")
  })

  it("status is rejected without the pairing's secret", async () => {
    const operator = await deployment().operator()
    const { pairingId } = await operator.mutation(api.pairing.begin, {
      machine: "m",
      directory: "/d",
      secretHash: sha256("right")
    })
    assert.strictEqual(
      await call(deployment().anonymous(), "pairing:status", { pairingId, secret: "wrong" }),
      "NotFound"
    )
  })
})

describe("functions for new devices", () => {
  it("claim takes a code and a key, each of a bounded length", async () => {
    const { publicKey } = await newKey()
    const claim = (change: object) =>
      call(deployment().anonymous(), "devices:claim", { code: "0", publicKey, ...change })
    assert.strictEqual(await claim({}), "NotFound")
    assert.strictEqual(await claim({ code: "0".repeat(501) }), "InvalidArgument")
    assert.strictEqual(await claim({ publicKey: { ...publicKey, x: "0".repeat(44) } }), "InvalidArgument")
    assert.strictEqual(await claim({ publicKey: { ...publicKey, d: "0" } }), "invalid")
  })

  it("issue takes an assertion of a bounded length", async () => {
    for (const assertion of ["x".repeat(1_001), "x", "", "e30.e30.", "a.b.c.d"]) {
      assert.strictEqual(await call(deployment().anonymous(), "tokens:issue", { assertion }), "InvalidArgument")
    }
  })
})

describe("internal functions", () => {
  it("cannot be called from outside", async () => {
    const { workerId } = await pair(await deployment().operator())
    const failure = await deployment()
      .anonymous()
      .mutation(makeFunctionReference<"mutation">("lease:expire"), { workerId, epoch: 0 })
      .then(() => undefined, String)
    assert.match(failure ?? "", /lease:expire/)
  })
})
