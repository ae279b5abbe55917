import { readdirSync } from "node:fs"
import { join } from "node:path"
import { functionsDir } from "@opencode-worker/convex-backend"
import { getFunctionName } from "convex/server"
import { assert, describe, it } from "vitest"
import { api, type TurnId } from "../src/api.ts"
import type { Connection } from "../src/Connection.ts"
import { type Client, ClientError, makeClient, TurnView } from "../src/index.ts"
import { pairedWorker, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

const rejection = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)

const collect = async <A>(values: AsyncIterable<A>): Promise<ReadonlyArray<A>> => {
  const all: Array<A> = []
  for await (const value of values) all.push(value)
  return all
}

const first = async <A>(values: AsyncIterable<A>, holds: (value: A) => boolean): Promise<A> => {
  for await (const value of values) if (holds(value)) return value
  throw new Error("The iteration ended")
}

/** An operator with a worker and a session. */
const setUp = async () => {
  const client = deployment().operator()
  const worker = await pairedWorker(deployment(), client)
  const sessionId = await client.sessions.create(worker.workerId, { title: "Test" })
  return { client, worker, sessionId, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() }
}

describe("prompt", () => {
  it("streams views of the answer, and returns the end with its usage", async () => {
    await using there = await setUp()
    const { client, sessionId, worker } = there
    const turn = client.prompt(sessionId, "Count")
    const turnId = await turn.turnId
    await worker.claim(turnId)
    await worker.deliver(turnId)
    let written = 0
    const answers: Array<string> = []
    for await (const view of turn) {
      const answer = TurnView.answer(view)
      if (answer !== answers.at(-1)) answers.push(answer)
      const pieces = ["one ", "two ", "three"]
      if (view.status === "running" && answer === pieces.slice(0, written).join("")) {
        if (written === pieces.length) await worker.finish(turnId, ["one two three"])
        else await worker.append(turnId, ++written, { partId: "part0", kind: "text", text: pieces[written - 1] ?? "" })
      }
    }
    assert.deepStrictEqual(answers, ["", "one ", "one two ", "one two three"])
    const { end, status } = await turn.result
    assert.strictEqual(status, "completed")
    assert.deepInclude(end, { isWhole: true, answeredBy: { model: "test/echo", agent: "build" } })
    assert.deepInclude(end.usage, { cost: 0.5 })
  })

  it("returns the result without iterating, and the same turn for the same key", async () => {
    await using there = await setUp()
    const { client, sessionId, worker } = there
    const turn = client.prompt(sessionId, "Hello", { idempotencyKey: "1" })
    const turnId = await turn.turnId
    assert.strictEqual(await client.turns.send(sessionId, "Hello", { idempotencyKey: "1" }), turnId)
    const result = turn.result
    await worker.answer(turnId, "Hi")
    assert.strictEqual(TurnView.answer(await result), "Hi")
  })

  it("is watched in the list of its session, until it has ended", async () => {
    await using there = await setUp()
    const { client, sessionId, worker } = there
    const shown = first(client.turns.watch(sessionId), (turns) => turns.at(-1)?.status === "completed")
    await client.turns.send(sessionId, "One")
    const turnId = await client.turns.send(sessionId, "Two")
    const [firstTurn] = await collect(client.turns.list(sessionId))
    if (firstTurn !== undefined) await worker.answer(firstTurn.turnId, "1")
    await worker.answer(turnId, "2")
    assert.deepStrictEqual(
      (await shown).map(({ head, parts }) => [head, parts]),
      [
        ["One", 1],
        ["Two", 1]
      ]
    )
  })

  it("a refused prompt rejects turnId, result and the iteration", async () => {
    await using there = await setUp()
    const turn = there.client.prompt(there.sessionId, "")
    for (const promise of [turn.turnId, turn.result, collect(turn)]) {
      const error = await rejection(promise)
      assert.instanceOf(error, ClientError)
      assert.deepInclude(error.reason, { _tag: "Rejected", code: "InvalidArgument" })
    }
  })

  it("a prompt whose turn is not awaited is no unhandled rejection", async () => {
    await using there = await setUp()
    there.client.prompt(there.sessionId, "")
    assert.lengthOf(await there.client.workers.list(), 1)
  })
})

describe("turns.follow", () => {
  it("loses and doubles no text when the deployment restarts and when results are cut into pages", async () => {
    await using there = await setUp()
    const { client, sessionId, worker } = there
    const turnId = await client.turns.send(sessionId, "Count")
    await worker.claim(turnId)
    await worker.deliver(turnId)
    const pieces = Array.from({ length: 250 }, (_, index) => `${index} `)
    const append = (from: number, to: number) =>
      Promise.all(
        pieces
          .slice(from, to)
          .map((text, index) => worker.append(turnId, from + index + 1, { partId: "part0", kind: "text", text }))
      )
    await append(0, 220)
    const answers: Array<string> = []
    const until = (length: number) =>
      first(client.turns.follow(turnId), (view) => {
        answers.push(TurnView.answer(view))
        return TurnView.answer(view) === pieces.slice(0, length).join("")
      })
    const read = until(250)
    await until(220)
    await deployment().restart()
    await append(220, 250)
    await read
    const whole = pieces.join("")
    for (const answer of answers) assert.isTrue(whole.startsWith(answer))
  })

  it("reads the text of a turn that was queued again", async () => {
    await using there = await setUp()
    const { client, sessionId, worker } = there
    const turnId = await client.turns.send(sessionId, "Count")
    const views = collect(client.turns.follow(turnId))
    const seen = (holds: (view: TurnView.TurnView) => boolean) => first(client.turns.follow(turnId), holds)
    await worker.claim(turnId)
    await worker.append(turnId, 1, { partId: "n", kind: "notice", text: "Waiting" })
    await seen(({ blocks }) => blocks.length === 1)
    await worker.requeue(turnId)
    await worker.claim(turnId)
    await worker.deliver(turnId)
    await worker.append(turnId, 1, { partId: "part0", kind: "text", text: "one" })
    await seen((view) => TurnView.answer(view) === "one")
    await worker.finish(turnId, ["one"])
    assert.strictEqual(TurnView.answer((await views).at(-1) ?? TurnView.empty), "one")
  })

  it("shows requests while they wait for an answer", async () => {
    await using there = await setUp()
    const { client, sessionId, worker } = there
    const turnId = await client.turns.send(sessionId, "Count")
    await worker.claim(turnId)
    await worker.deliver(turnId)
    await deployment().http.mutation(api.requests.open, {
      ...worker.signed,
      turnId,
      opencodeId: crypto.randomUUID(),
      subject: "ls",
      askedBy: [{ agent: "build", task: null }],
      directory: "/work",
      always: { scope: "ls", label: "exactly this command" },
      content: { kind: "permission", permission: "bash", sections: [] },
      timeLimit: 60_000
    })
    for await (const { blocks } of client.turns.follow(turnId)) {
      const [block] = blocks
      if (block?.kind !== "request") continue
      assert.strictEqual((await client.requests.get(block.id)).content.kind, "permission")
      const [item] = await client.inbox.list()
      assert.deepInclude(item, { kind: "asked", requestId: block.id, subject: "ls" })
      assert.strictEqual(await first(client.inbox.watchCount(), () => true), 1)
      await client.requests.answer(block.request, { type: "always" })
      break
    }
    await first(client.turns.follow(turnId), ({ blocks, status }) => status === "running" && blocks.length === 0)
    const [approval] = await collect(client.approvals.list({ workerId: worker.signed.workerId }))
    assert.deepInclude(approval, { reach: "always", permission: "bash", label: "exactly this command" })
    if (approval !== undefined) await client.approvals.revoke(approval.approvalId)
    assert.deepStrictEqual(await collect(client.approvals.list()), [])
    await worker.finish(turnId, ["done"])
    const [result] = await first(client.inbox.watch(), (items) => items.length === 1)
    assert.deepInclude(result, { kind: "finished", turnId, read: false })
    if (result !== undefined) await client.inbox.markRead([result.itemId])
    assert.deepStrictEqual(await client.inbox.list(), [])
    if (result !== undefined) await client.inbox.pin(result.itemId, true)
    assert.lengthOf(await client.inbox.list(), 1)
    if (result !== undefined) await client.inbox.archive(result.itemId, true)
    assert.lengthOf(await client.inbox.list({ archived: true }), 1)
    const within = { sessionId, workerId: worker.workerId }
    assert.deepInclude((await client.search("done", within))[0], { ...within, turnId })
    assert.deepStrictEqual(await client.search("undone", { signal: AbortSignal.timeout(60_000) }), [])
    assert.deepInclude(await client.usage.session(sessionId), { turns: 1, input: 1, output: 2, cost: 0.5 })
    assert.lengthOf(await collect(client.usage.days("2000-01-01", "3000-01-01")), 1)
  })

  it("adds, tests, lists and removes targets of notifications", async () => {
    await using client = deployment().operator()
    // A port at which nothing listens.
    const target = { kind: "webhook", url: "https://127.0.0.1:1/hook?token=t", wants: ["asked"] } as const
    const targetId = await client.notifications.add(target)
    assert.isString(await client.notifications.test(targetId))
    const [listed] = await client.notifications.list()
    assert.deepInclude(listed, { targetId, url: "https://127.0.0.1:1/hook", wants: ["asked"], content: false })
    assert.isNotNull(listed?.lastError)
    await client.notifications.remove(targetId)
    assert.deepStrictEqual(await client.notifications.list(), [])
  })

  it("subscribes a browser to push messages, and ends that", async () => {
    await using client = deployment().operator()
    assert.lengthOf(await client.notifications.pushKey(), 87)
    const endpoint = "https://127.0.0.1:1/push"
    const keys = { p256dh: `B${"A".repeat(86)}`, auth: "A".repeat(22) }
    const targetId = await client.notifications.subscribePush({ endpoint, keys }, { wants: ["asked"] })
    assert.deepInclude((await client.notifications.list())[0], { targetId, kind: "push", wants: ["asked"] })
    await client.notifications.unsubscribePush(endpoint)
    assert.deepStrictEqual(await client.notifications.list(), [])
  })

  it("renews the watch only if it is asked to, and rejects with signal.reason after an abort", async () => {
    await using there = await setUp()
    const { client, sessionId, worker } = there
    const turnId = await client.turns.send(sessionId, "Count")
    await worker.claim(turnId)
    const controller = new AbortController()
    const reason = new Error("the user left")
    const running = rejection(collect(client.turns.follow(turnId, { signal: controller.signal, watch: false })))
    await first(client.turns.follow(turnId, { watch: false }), () => true)
    const { watched } = await worker.append(turnId, 1, { partId: "p", kind: "text", text: "one" })
    assert.deepStrictEqual(watched, [])
    await first(client.turns.follow(turnId), (view) => TurnView.answer(view) === "one")
    // Mutations run in the order of the calls: the watch was renewed before this one.
    await client.sessions.rename(sessionId, "Watched")
    assert.deepStrictEqual((await worker.append(turnId, 2, { partId: "p", kind: "text", text: "two" })).watched, [
      turnId
    ])
    controller.abort(reason)
    assert.strictEqual(await running, reason)
  })

  it("an abort is recorded at once, and the end of the turn follows", async () => {
    await using there = await setUp()
    const { client, sessionId } = there
    const turn = client.prompt(sessionId, "Count")
    assert.deepStrictEqual(await first(turn, () => true), TurnView.empty)
    await client.turns.abort(await turn.turnId)
    const { end, status } = await turn.result
    assert.strictEqual(status, "aborted")
    assert.strictEqual(end.isWhole, false)
    const again = client.turns.follow(await client.turns.resend(await turn.turnId))
    await client.turns.abort(await again.turnId)
    assert.strictEqual((await again.result).status, "aborted")
  })
})

describe("lists", () => {
  it("read all pages, and watch changes", async () => {
    await using there = await setUp()
    const { client, sessionId, worker } = there
    const more = await Promise.all(Array.from({ length: 24 }, () => client.sessions.create(worker.workerId)))
    const all = await collect(client.sessions.list({ workerId: worker.workerId }))
    assert.sameMembers(
      all.map((session) => session.sessionId),
      [sessionId, ...more]
    )
    const renamed = first(client.sessions.watch({ limit: 100 }), (sessions) =>
      sessions.some(({ title }) => title === "Renamed")
    )
    const commandId = await client.sessions.rename(sessionId, "Renamed")
    assert.lengthOf(await renamed, 25)
    assert.strictEqual((await client.commands.get(commandId))?.status, "queued")
    assert.strictEqual((await client.sessions.get(sessionId))?.title, "Renamed")
    const loading = await client.sessions.loadHistory(sessionId)
    assert.strictEqual((await client.commands.get(loading))?.status, "queued")
    const turnId = await client.turns.send(sessionId, "Hello")
    await worker.answer(turnId, "Hi")
    const [turn] = await collect(client.turns.list(sessionId))
    assert.strictEqual(turn?.head, "Hello")
    assert.strictEqual(turn && TurnView.answer(await client.turns.view(turn)), "Hi")
  })

  it("workers are approved, watched and revoked", async () => {
    await using client = deployment().operator()
    const { code } = await deployment().startPairing()
    assert.deepInclude(await client.workers.preview(code), { machine: "laptop" })
    const appeared = first(client.workers.watch(), ({ length }) => length === 1)
    const workerId = await client.workers.approve(code)
    assert.strictEqual((await appeared)[0]?.workerId, workerId)
    const offline = await rejection(client.workers.pause(workerId))
    assert.instanceOf(offline, ClientError)
    assert.deepInclude(offline.reason, { code: "Conflict" })
    assert.isNull(await client.models.get(workerId))
    await client.workers.revoke(workerId)
    const audit = await collect(client.workers.audit(workerId))
    assert.deepStrictEqual(
      audit.map(({ action }) => action),
      ["revoke", "approve"]
    )
  })
})

describe("the client", () => {
  it("rejects with signal.reason after an abort, and with Closed after disposal", async () => {
    const client = deployment().operator()
    const reason = new Error("the user left")
    const controller = new AbortController()
    const call = rejection(client.workers.list({ signal: controller.signal }))
    controller.abort(reason)
    assert.strictEqual(await call, reason)
    assert.strictEqual(await rejection(client.workers.list({ signal: controller.signal })), reason)
    assert.deepStrictEqual(await client.workers.list({ signal: new AbortController().signal }), [])
    const watched = rejection(collect(client.workers.watch()))
    await client.workers.list()
    await client[Symbol.asyncDispose]()
    for (const promise of [client.workers.list(), watched, collect(client.workers.watch())]) {
      const error = await rejection(promise)
      const failed = error instanceof ClientError ? error : await promise
      assert.instanceOf(failed, ClientError)
      assert.strictEqual(failed.reason._tag, "Closed")
    }
  })

  it("has a method for every operator function of the backend", async () => {
    const called = new Set<string>()
    const record = (reference: Parameters<typeof getFunctionName>[0]) => {
      called.add(getFunctionName(reference))
      return new Promise<never>(() => undefined)
    }
    const recorder: Connection = {
      query: record,
      mutation: record,
      action: record,
      subscribe: (reference) => {
        void record(reference)
        return () => undefined
      },
      [Symbol.asyncDispose]: () => Promise.resolve()
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the recorder ignores arguments
    const id = "id" as never
    const each = (group: object): void => {
      for (const member of Object.values(group)) {
        if (typeof member === "object") each(member)
        if (typeof member !== "function") continue
        const result: unknown = member(id, id)
        if (typeof result !== "object" || result === null || !(Symbol.asyncIterator in result)) continue
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is iterable
        void (result as AsyncIterable<unknown>)[Symbol.asyncIterator]().next()
      }
    }
    const client: Client = makeClient(recorder)
    each(client)
    await Promise.resolve()
    // Follows `live`, and reads requests with its first result.
    called.add(getFunctionName(api.requests.pending))
    // Follow the answer to `ask`.
    called.add(getFunctionName(api.queries.get))
    called.add(getFunctionName(api.queries.close))
    const modules = readdirSync(functionsDir).filter((name) => name.endsWith(".ts"))
    const operators = await Promise.all(
      modules.map(async (name) => {
        const module: Record<string, unknown> = await import(join(functionsDir, name))
        return Object.entries(module).flatMap(([exported, value]) =>
          typeof value === "function" && "callableBy" in value && value.callableBy === "operator"
            ? [`${name.replace(".ts", "")}:${exported}`]
            : []
        )
      })
    )
    assert.sameMembers([...called], operators.flat())
  })

  it("a follower without results ends its subscriptions when the loop is left", async () => {
    await using there = await setUp()
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an id of another table is refused
    const error = await rejection(collect(there.client.turns.follow(there.sessionId as string as TurnId)))
    assert.instanceOf(error, ClientError)
    assert.strictEqual(error.reason._tag, "FunctionFailed")
  })
})
