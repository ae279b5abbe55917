import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Deferred, Effect, Option, Schedule, Stream } from "effect"
import { watchTurn } from "../../src/terminal/watchTurn.ts"
import { madeForKey } from "../../src/opencode/sessions.ts"
import { TurnView } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { capacity } from "../../src/opencode/agent.ts"
import {
  allSessions,
  answer,
  ask,
  echo,
  limit,
  newSession,
  runWorker,
  schedule,
  script,
  send,
  servedPage,
  viewOf,
  workerWith
} from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

export const promptsTests = inWorld("a worker", (it) => {
  it.effect(
    "answers prompts that were sent while it was offline, in order, once",
    () =>
      Effect.gen(function* () {
        const provider = yield* ScriptedProvider
        const sessionId = yield* newSession
        const before = (yield* provider.stats).chats
        const turns = yield* Effect.forEach(["one", "two", "three"], (text) => send(sessionId, text))
        yield* runWorker
        const answers = yield* Effect.forEach(turns, answer)
        assert.deepStrictEqual(
          answers.map(({ text }) => text),
          ["1: one", "2: two", "3: three"]
        )
        assert.strictEqual((yield* provider.stats).chats - before, 3)
      }),
    limit
  )

  it.effect(
    "reports its release, OpenCode's, the branch, the permissions and the disk, and counts its turns",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const { directory, environment } = yield* OpenCodeHome
        const head = join(directory, ".git", "HEAD")
        const before = yield* Effect.promise(() => readFile(head, "utf8"))
        yield* Effect.acquireRelease(
          Effect.promise(() => writeFile(head, "ref: refs/heads/feature/list\n")),
          () => Effect.promise(() => writeFile(head, before))
        )
        const workerId = yield* workerWith({ about: { version: "1.2.3", permissions: "careful", environment } })
        const rows = operator.stream(({ workers }) => workers.watch())
        const found = yield* Stream.runHead(
          Stream.filter(rows, (all) =>
            all.some((row) => row.workerId === workerId && row.info?.opencode.version !== undefined)
          )
        )
        const row = Option.getOrThrow(found).find((each) => each.workerId === workerId)
        assert.deepInclude(row, { running: 0, queued: 0, advice: null, lastSeenAt: null })
        assert.deepInclude(row?.info, {
          version: "1.2.3",
          branch: "feature/list",
          permissions: "careful",
          shell: false
        })
        assert.strictEqual(row?.info?.opencode.state, "running")
        assert.match(row?.info?.opencode.version ?? "", /^\d+\.\d+\.\d+/)
        assert.isAbove(row?.info?.diskFree ?? 0, 0)
      }),
    limit
  )

  it.effect(
    "runs sessions concurrently, and one prompt of a session at a time",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const workerId = yield* runWorker
        const gate = yield* Deferred.make<void>()
        yield* script((request) =>
          request.lastUserText.includes("wait")
            ? Reply.sequence([Reply.wait(Deferred.await(gate)), Reply.text("waited")])
            : echo(request)
        )
        const [held, free] = [
          yield* operator.call(({ sessions }) => sessions.create(workerId)),
          yield* operator.call(({ sessions }) => sessions.create(workerId))
        ]
        const first = yield* send(held, "wait")
        const second = yield* send(held, "after")
        assert.strictEqual((yield* ask(free, "parallel")).text, "1: parallel")
        assert.deepInclude(yield* viewOf(second), { status: "queued" })
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual((yield* answer(first)).text, "waited")
        assert.strictEqual((yield* answer(second)).text, "2: after")
      }),
    limit
  )

  it.effect(
    "reports why a prompt failed, and continues the session",
    () =>
      Effect.gen(function* () {
        const sessionId = yield* newSession
        yield* runWorker
        const unknown = yield* ask(sessionId, "hello", "unknown/model")
        assert.deepInclude(unknown, { status: "failed" })
        assert.match(unknown.error, /No model "unknown\/model"/)
        yield* script(() => Reply.status(401, { message: "the key is not valid" }))
        const refused = yield* ask(sessionId, "hello")
        assert.deepInclude(refused, { status: "failed" })
        assert.match(refused.error, /the key is not valid/)
        yield* script(echo)
        assert.deepInclude(yield* ask(sessionId, "again"), { status: "completed" })
      }),
    limit
  )

  it.effect(
    "forwards requests of OpenCode to the operator, and the answers to OpenCode",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const page = yield* servedPage
        const sessionId = yield* newSession
        yield* runWorker
        yield* script((request) =>
          request.toolResults.length === 0 ? Reply.toolCall("webfetch", { url: page, format: "text" }) : echo(request)
        )
        const asked = operator
          .stream(({ requests }) => requests.watch({ sessionId }))
          .pipe(Stream.flattenIterable, Stream.runHead, Effect.flatMap(Effect.fromOption))
        const allowed = yield* send(sessionId, "look it up")
        const request = yield* asked
        assert.strictEqual(request.subject, `webfetch: ${page}`)
        yield* operator.call(({ requests }) => requests.answer(request, { type: "once" }))
        assert.deepInclude(yield* answer(allowed), { status: "completed", text: "the page says hello" })

        const refused = yield* send(sessionId, "and again")
        const again = yield* Effect.repeat(asked, { until: ({ requestId }) => requestId !== request.requestId })
        yield* operator.call(({ requests }) =>
          requests.answer(again, { type: "reject", message: "look in the cache instead" })
        )
        const { status, text } = yield* answer(refused)
        assert.strictEqual(status, "completed")
        assert.match(text, /look in the cache instead/)
      }),
    limit
  )

  it.effect(
    "lets the model continue when no operator can answer a request",
    () =>
      Effect.gen(function* () {
        const sessionId = yield* newSession
        yield* runWorker
        yield* script((request) =>
          request.toolResults.length === 0
            ? Reply.toolCall("webfetch", { url: "http://127.0.0.1:9/", format: "text" })
            : echo(request)
        )
        const operator = yield* Client
        const turnId = yield* operator.call(({ turns }) => turns.send(sessionId, "look it up"))
        const view = yield* watchTurn({ turnId, write: () => Effect.void, requests: "deny" })
        assert.strictEqual(view.status, "completed")
        assert.match(TurnView.answer(view), /No person can be asked for permission here/)
      }),
    limit
  )

  it.effect(
    "renames and deletes sessions in OpenCode as in the deployment",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        yield* ask(sessionId, "hello")
        const inOpenCode = Effect.map(client.sessions.list(), (all) =>
          all.find(({ metadata }) => metadata?.["opencodeWorkerSession"] === sessionId)
        )
        yield* operator.call(({ sessions }) => sessions.rename(sessionId, "a better title"))
        yield* Effect.repeat(inOpenCode, { until: (session) => session?.title === "a better title", schedule })
        yield* operator.call(({ sessions }) => sessions.delete(sessionId))
        yield* Effect.repeat(inOpenCode, { until: (session) => session === undefined, schedule })
        yield* Effect.repeat(
          operator.call(({ sessions }) => sessions.get(sessionId)),
          { until: (session) => session === null, schedule }
        )
      }),
    limit
  )

  it.effect(
    "starts no turn while it is paused",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        const workerId = yield* runWorker
        const phase = Effect.map(
          operator.call(({ workers }) => workers.list()),
          (all) => all.find((each) => each.workerId === workerId)?.phase
        )
        yield* operator.call(({ workers }) => workers.pause(workerId))
        yield* Effect.repeat(phase, { until: (now) => now === "paused", schedule })
        const turnId = yield* send(sessionId, "hello")
        assert.deepInclude(yield* viewOf(turnId), { status: "queued" })
        yield* operator.call(({ workers }) => workers.resume(workerId))
        assert.deepInclude(yield* answer(turnId), { status: "completed" })
      }),
    limit
  )

  it.effect(
    "shows a session that was started in OpenCode itself, and continues it",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        yield* runWorker
        const { id } = yield* client.sessions.create({ title: "begun elsewhere" })
        const mirrored = Effect.map(allSessions, (page) => page.filter(({ title }) => title === "begun elsewhere"))
        const [session] = yield* Effect.repeat(mirrored, { until: (found) => found.length > 0, schedule })
        assert.deepInclude(session, { origin: "opencode" })
        if (session !== undefined) assert.strictEqual((yield* ask(session.sessionId, "hello")).text, "1: hello")
        const { messages } = yield* client.messages.list(id)
        assert.strictEqual(messages.length, 2)
        assert.strictEqual((yield* mirrored).length, 1)
      }),
    limit
  )

  it.effect(
    "syncs changes of sessions in OpenCode while it is paused",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const operator = yield* Client
        const workerId = yield* runWorker
        const phase = Effect.map(
          operator.call(({ workers }) => workers.list()),
          (all) => all.find((each) => each.workerId === workerId)?.phase
        )
        const titles = Effect.map(allSessions, (page) => page.map(({ title }) => title))
        const before = yield* client.sessions.create({ title: "made before the pause" })
        yield* Effect.repeat(titles, { until: (all) => all.includes("made before the pause"), schedule })
        yield* operator.call(({ workers }) => workers.pause(workerId))
        yield* Effect.repeat(phase, { until: (now) => now === "paused", schedule })
        yield* client.sessions.remove(before.id)
        yield* client.sessions.create({ title: "made in the pause" })
        yield* Effect.repeat(titles, {
          until: (all) => !all.includes("made before the pause") && all.includes("made in the pause"),
          schedule
        })
        assert.strictEqual(yield* phase, "paused")
      }),
    limit
  )

  it.effect(
    "starts a new OpenCode session, with a notice, when OpenCode has lost the session",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const sessionId = yield* newSession
        const known = new Set((yield* client.sessions.list()).map(({ id }) => id))
        yield* Effect.scoped(Effect.andThen(runWorker, ask(sessionId, "remember me")))
        for (const { id } of yield* client.sessions.list()) if (!known.has(id)) yield* client.sessions.remove(id)
        yield* runWorker
        const { notices, text } = yield* ask(sessionId, "who am I?")
        assert.strictEqual(text, "1: who am I?")
        assert.match(notices.join(), /no longer had this session/)
        assert.deepStrictEqual((yield* ask(sessionId, "and now?")).notices, [])
      }),
    limit
  )

  it.effect(
    "starts a new OpenCode session, with a notice, when the old one is deleted at OpenCode's own terminal",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const sessionId = yield* newSession
        const ofIt = Effect.map(client.sessions.list(), (all) =>
          all.filter(({ metadata }) => metadata?.[madeForKey] === sessionId)
        )
        const deleteIt = Effect.flatMap(ofIt, (all) => Effect.forEach(all, ({ id }) => client.sessions.remove(id)))
        /** Waits for the sync of a later deletion. */
        const untilSynced = Effect.gen(function* () {
          const { id } = yield* client.sessions.create({ title: "another" })
          const count = Effect.map(allSessions, (page) => page.filter(({ title }) => title === "another").length)
          yield* Effect.repeat(count, { until: (now) => now === 1, schedule })
          yield* client.sessions.remove(id)
          yield* Effect.repeat(count, { until: (now) => now === 0, schedule })
        })
        yield* runWorker
        for (const afterwards of [Effect.void, untilSynced]) {
          yield* ask(sessionId, "remember me")
          yield* deleteIt
          yield* afterwards
          const { notices, status, text } = yield* ask(sessionId, "who am I?")
          assert.deepStrictEqual([status, text], ["completed", "1: who am I?"])
          assert.match(notices.join(), /no longer had this session/)
          assert.deepStrictEqual((yield* ask(sessionId, "and now?")).notices, [])
          assert.strictEqual((yield* ofIt).length, 1)
        }
      }),
    limit
  )

  it.effect(
    "claims no more turns than it can run at once, and none while it is paused",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const gate = yield* Deferred.make<void>()
        const workerId = yield* runWorker
        const phase = Effect.map(
          operator.call(({ workers }) => workers.list()),
          (all) => all.find((each) => each.workerId === workerId)?.phase
        )
        yield* script((request) =>
          request.lastUserText === "wait"
            ? Reply.sequence([Reply.text("so far"), Reply.wait(Deferred.await(gate))])
            : echo(request)
        )
        const turns = yield* Effect.forEach(Array.from({ length: capacity + 2 }), () =>
          Effect.flatMap(
            operator.call(({ sessions }) => sessions.create(workerId)),
            (sessionId) => send(sessionId, "wait")
          )
        )
        // Each check queries every turn.
        const seldom = Schedule.spaced("500 millis")
        const statuses = Effect.forEach(turns, (turnId) => Effect.map(viewOf(turnId), ({ status }) => status))
        const waiting = Effect.map(statuses, (all) => all.filter((status) => status === "queued").length)
        yield* Effect.repeat(statuses, {
          until: (all) => all.filter((status) => status === "running").length === capacity,
          schedule: seldom
        })
        assert.strictEqual(yield* waiting, 2)
        yield* operator.call(({ workers }) => workers.pause(workerId))
        yield* Effect.repeat(phase, { until: (now) => now === "paused", schedule })
        yield* Deferred.succeed(gate, undefined)
        yield* Effect.repeat(statuses, {
          until: (all) => all.filter((status) => status === "completed").length === capacity,
          schedule: seldom
        })
        assert.strictEqual(yield* waiting, 2)
        yield* operator.call(({ workers }) => workers.resume(workerId))
        yield* Effect.repeat(statuses, {
          until: (all) => all.every((status) => status === "completed"),
          schedule: seldom
        })
      }),
    limit
  )
})
