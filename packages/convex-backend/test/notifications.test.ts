/** Notifications from a real deployment to a receiver on this machine. */
import { createHmac } from "node:crypto"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "vitest"
import { api, type Id } from "../src/api.ts"
import { endSlowTime, passTime, resetTime, slowTime } from "./support/clock.ts"
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
  useDeployment
} from "./support/deployment.ts"
import { newDevice } from "./support/device.ts"
import { never, newReceiver } from "./support/receiver.ts"

slowTime()
const deployment = useDeployment()
const variable = "OPENCODE_WORKER_NOTIFY_LOCAL"
let receiver: Awaited<ReturnType<typeof newReceiver>>
beforeAll(async () => {
  process.env[variable] = "1"
  receiver = await newReceiver()
})
afterAll(() => {
  delete process.env[variable]
  receiver.close()
  endSlowTime()
})
afterEach(() => {
  resetTime()
})

const error = { name: "E", message: "The provider failed" }
let paths = 0

/** An operator with a worker, a session, and a webhook of their own at the receiver. */
const setUp = async (options: { readonly content?: boolean; readonly secret?: string } = {}) => {
  const path = `/hook${paths++}`
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId, "Refactor")
  const url = `${receiver.url}${path}`
  const targetId = await operator.mutation(api.notifications.add, { kind: "webhook", url, ...options })
  const received = () => receiver.received.filter((each) => each.path === path)
  const run = async (of: Id<"sessions"> = sessionId) => {
    const turnId = await send(operator, of, "Do it")
    await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    return turnId
  }
  const end = async (outcome: "completed" | "failed" | "aborted", of?: Id<"sessions">) => {
    const turnId = await run(of)
    const failed = outcome === "failed" ? { error } : {}
    await operator.mutation(api.queue.finish, { ...worker, turnId, outcome, ...failed, parts: [] })
    return turnId
  }
  return {
    operator,
    worker,
    sessionId,
    targetId,
    run,
    end,
    received,
    other: () => newSession(operator, worker.workerId),
    /** The bodies of all notifications, or of one kind, when there are `count` of them. */
    bodies: async (count: number, kind?: string): Promise<ReadonlyArray<Record<string, unknown>>> => {
      const all = await eventually(
        async () =>
          received()
            .map(({ body }): Record<string, unknown> => JSON.parse(body))
            .filter((body) => kind === undefined || body["kind"] === kind),
        ({ length }) => length >= count
      )
      assert.lengthOf(all, count)
      return all
    },
    target: async () => {
      const [target] = await operator.query(api.notifications.list, {})
      if (target === undefined) throw new Error("There is no target")
      return target
    }
  }
}

/** Moves the time, and makes the deployment look for due functions. */
const pass = async (millis: number) => {
  passTime(millis)
  await enlist(await deployment().operator())
}

describe("a webhook", () => {
  it("receives that the agent asks, that a turn finished, and that a turn failed, without their content", async () => {
    const { bodies, end, operator, other, received, run, sessionId, worker } = await setUp()
    const { workerId } = worker
    const turnId = await run()
    const requestId = await openRequest(operator, { ...worker, turnId, ...permission })
    const [first, second] = [await other(), await other()]
    const finishedId = await end("completed", first)
    const failedId = await end("failed", second)
    await pass(5_000)
    const sent = await bodies(3)
    const about = (kind: string) => {
      const { at, id, ...rest } = sent.find((each) => each["kind"] === kind) ?? {}
      assert.isNumber(at)
      assert.match(String(id), new RegExp(`-${String(at)}$`))
      return rest
    }
    const none = { requestId: null, workerId }
    assert.deepStrictEqual(about("asked"), { kind: "asked", sessionId, turnId, requestId, workerId })
    assert.deepStrictEqual(about("finished"), { ...none, kind: "finished", sessionId: first, turnId: finishedId })
    assert.deepStrictEqual(about("failed"), { ...none, kind: "failed", sessionId: second, turnId: failedId })
    for (const { headers } of received()) assert.notProperty(headers, "x-opencode-worker-signature")
  })

  it("receives that a machine is gone, and nothing if it is back within 5 seconds", async () => {
    const { bodies, operator, worker } = await setUp()
    const isGone = (shown: boolean) =>
      eventually(
        () => operator.query(api.inbox.list, {}),
        (items) => items.some(({ kind }) => kind === "gone") === shown
      )
    await pass(26_000)
    await isGone(true)
    await operator.mutation(api.lease.heartbeat, { ...worker, phase: "ready" })
    await isGone(false)
    await pass(26_000)
    await isGone(true)
    await pass(5_000)
    const [sent] = await bodies(1)
    assert.deepInclude(sent, { kind: "gone", workerId: worker.workerId, sessionId: null })
  })

  it("receives titles and subjects if it is to, and a signature of the body", async () => {
    const { bodies, end, received } = await setUp({ content: true, secret: "a-secret" })
    await end("failed")
    await pass(5_000)
    assert.deepInclude((await bodies(1))[0], { title: "Refactor", subject: "The provider failed" })
    const [message] = received()
    if (message === undefined) return assert.fail("Nothing was received")
    const { body, headers } = message
    const expected = createHmac("sha256", "a-secret").update(body).digest("hex")
    assert.strictEqual(headers["x-opencode-worker-signature"], `sha256=${expected}`)
    assert.strictEqual(headers["x-opencode-worker-id"], JSON.parse(body).id)
  })

  it("receives nothing about what was aborted, answered, read, archived or replaced within 5 seconds", async () => {
    const { bodies, end, operator, other, run, sessionId, worker } = await setUp()
    const [aborted, read, archived] = [await other(), await other(), await other()]
    await end("failed", aborted)
    await end("aborted", aborted)
    const turnId = await run(aborted)
    await answerRequest(operator, await openRequest(operator, { ...worker, turnId, ...permission }), { type: "once" })
    await end("completed", read)
    await end("completed", archived)
    for (const { itemId, sessionId: of } of await operator.query(api.inbox.list, {})) {
      if (of === read) await operator.mutation(api.inbox.markRead, { itemIds: [itemId], read: true })
      if (of === archived) await operator.mutation(api.inbox.archive, { itemId, archived: true })
    }
    await end("completed")
    await pass(2_000)
    const latest = await end("failed")
    await pass(5_000)
    const [sent] = await bodies(1)
    assert.deepInclude(sent, { kind: "failed", sessionId, turnId: latest })
  })

  it("that fails receives the same notification again, also if a restart interrupts a request, and its error is listed", async () => {
    const { bodies, end, target } = await setUp()
    receiver.answers.push(500, 302, never)
    await end("completed")
    await pass(5_000)
    await bodies(1)
    const first = await eventually(target, ({ lastError }) => lastError !== null)
    assert.deepInclude(first.lastError, { message: "The answer was 500" })
    await pass(15_000)
    await bodies(2)
    await eventually(target, ({ lastError }) => lastError?.message === "The answer was 302")
    await pass(60_000)
    await bodies(3)
    await deployment().restart()
    await pass(5 * 60_000)
    // The machine is gone by now, which is a notification too.
    const sent = await bodies(4, "finished")
    assert.lengthOf(new Set(sent.map(({ id }) => id)), 1)
    const last = await eventually(target, ({ lastSentAt }) => lastSentAt !== null)
    assert.isNull(last.lastError)
  })

  it("that fails does not receive what was read since", async () => {
    const { bodies, end, operator, target, other } = await setUp()
    receiver.answers.push(500)
    await end("completed")
    await pass(5_000)
    await eventually(target, ({ lastError }) => lastError !== null)
    const items = await operator.query(api.inbox.list, {})
    await operator.mutation(api.inbox.markRead, { itemIds: items.map(({ itemId }) => itemId), read: true })
    await pass(10_000)
    const turnId = await end("completed", await other())
    await pass(6_000)
    const [, second] = await bodies(2)
    assert.deepInclude(second, { turnId })
  })
})

describe("a test call", () => {
  it("is sent immediately, and returns the error", async () => {
    const { bodies, operator, target, targetId } = await setUp()
    receiver.answers.push(403)
    const test = () => operator.action(api.notifications.test, { targetId })
    assert.deepStrictEqual(await test(), { error: "The answer was 403" })
    assert.deepInclude((await target()).lastError, { message: "The answer was 403" })
    assert.deepStrictEqual(await test(), { error: null })
    assert.isNull((await target()).lastError)
    assert.deepInclude((await bodies(2))[1], { kind: "test", sessionId: null })
  })
})

describe("an ntfy topic", () => {
  it("receives a title, a priority, a tag and a text, with an access token", async () => {
    const { end, operator } = await setUp()
    const url = `${receiver.url}/topic`
    const topic = { kind: "ntfy" as const, url, secret: "tk_1" }
    await operator.mutation(api.notifications.add, { ...topic, wants: ["failed"], content: true })
    await end("failed")
    await pass(5_000)
    const received = async () => receiver.received.filter(({ path }) => path === "/topic")
    const [message] = await eventually(received, ({ length }) => length === 1)
    const headers = { title: "A turn failed", priority: "4", tags: "x", authorization: "Bearer tk_1" }
    assert.deepInclude(message?.headers, headers)
    assert.strictEqual(message?.body, "Refactor\nThe provider failed")
  })
})

describe("targets", () => {
  it("are https, or http on this machine if the environment allows it, without credentials", async () => {
    const operator = await deployment().operator()
    const add = (url: string) => refusalOf(operator.mutation(api.notifications.add, { kind: "webhook", url }))
    for (const url of ["http://example.com", "ftp://127.0.0.1", "https://a:b@example.com", "file:///etc", "no", ""]) {
      assert.strictEqual(await add(url), "InvalidArgument", url)
    }
    delete process.env[variable]
    assert.strictEqual(await add("http://127.0.0.1"), "InvalidArgument")
    process.env[variable] = "1"
    for (const url of ["http://127.0.0.1", "http://localhost:1", "http://[::1]/a"]) {
      assert.property(await add(url), "accepted", url)
    }
  })

  it("are listed without the secret and the query, replaced by the same URL, at most 20, and removed", async () => {
    const operator = await deployment().operator()
    const url = "https://example.com/hook?token=t"
    const add = (changes: object) =>
      operator.mutation(api.notifications.add, { kind: "webhook", url, secret: "s", ...changes })
    const targetId = await add({})
    assert.strictEqual(await add({ wants: ["asked", "asked"] }), targetId)
    const list = () => operator.query(api.notifications.list, {})
    const [target] = await list()
    assert.deepInclude(target, { targetId, url: "https://example.com/hook", hasSecret: true, wants: ["asked"] })
    assert.notMatch(JSON.stringify(target), /token|"s"/)
    for (let index = 0; index < 19; index++) await add({ url: `https://example.com/${index}` })
    assert.strictEqual(await refusalOf(add({ url: "https://example.com/more" })), "Conflict")
    await operator.mutation(api.notifications.remove, { targetId })
    assert.lengthOf(await list(), 19)
  })

  it("of a device are removed when it is revoked", async () => {
    const operator = await deployment().operator()
    const { client, deviceId } = await newDevice(deployment(), operator, "operate")
    const add = (of: typeof client, ofDevice: boolean) =>
      of.mutation(api.notifications.add, { kind: "ntfy", url: `https://example.com/${String(ofDevice)}`, ofDevice })
    assert.strictEqual(await refusalOf(add(operator, true)), "InvalidArgument")
    await add(client, false)
    await add(client, true)
    await operator.mutation(api.devices.revoke, { deviceId })
    const targets = await operator.query(api.notifications.list, {})
    assert.deepStrictEqual(
      targets.map(({ url }) => url),
      ["https://example.com/false"]
    )
  })
})
