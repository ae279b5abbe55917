import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe } from "@effect/vitest"
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { ConvexSyncError } from "@opencode-worker/convex-sync"
import { ConvexClient, ConvexClientReason } from "@opencode-worker/effect-convex"
import { ascendingId, OpenCodeHost } from "@opencode-worker/opencode-host"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { getFunctionName } from "convex/server"
import { Effect } from "effect"
import { Client } from "@opencode-worker/client/effect"
import { answer, ask, limit, newSession, runWorker, schedule, script, send } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

/** Acquires the lease and claims a turn as an earlier process of the worker. Returns that process's credentials and epoch. */
const earlier = Effect.gen(function* () {
  const convex = yield* ConvexClient
  const { root } = yield* OpenCodeHome
  const { secret, workerId }: { readonly secret: string; readonly workerId: Id<"workers"> } = JSON.parse(
    readFileSync(join(root, "worker.json"), "utf8")
  )
  const { epoch } = yield* convex.mutation(api.lease.acquire, { workerId, secret, processId: "test" })
  const messageId = yield* ascendingId("msg")
  const partId = yield* ascendingId("prt")
  return {
    known: { workerId, secret, epoch },
    messageId,
    partId,
    claim: (turnId: Id<"turns">, at = epoch) =>
      convex.mutation(api.queue.claim, { workerId, secret, epoch: at, turnId, messageId, partId })
  }
})

/** A connection on which the first call of a mutation fails, and the number of its calls. */
const refusingOnce = Effect.fnUntraced(function* (name: string) {
  const convex = yield* ConvexClient
  let calls = 0
  const refused = new ConvexSyncError({
    operation: name,
    reason: new ConvexClientReason.FunctionFailed({ message: "Too many writes at once" })
  })
  const refusing: ConvexClient["Service"] = {
    ...convex,
    mutation: (mutation, ...rest) =>
      getFunctionName(mutation) === name && calls++ === 0 ? Effect.fail(refused) : convex.mutation(mutation, ...rest)
  }
  return { calls: () => calls, convex: refusing }
})

export const unfinishedTests = inWorld("after an earlier process", (it) => {
  describe("an unfinished turn of an earlier process", () => {
    it.effect(
      "does not run if its operator has aborted it",
      () =>
        Effect.gen(function* () {
          const operator = yield* Client
          const provider = yield* ScriptedProvider
          const sessionId = yield* newSession
          const { chats } = yield* provider.stats
          const turnId = yield* send(sessionId, "never")
          const { claim } = yield* earlier
          assert.isNotNull(yield* claim(turnId))
          yield* operator.call(({ turns }) => turns.abort(turnId))
          yield* runWorker
          assert.deepInclude(yield* answer(turnId), { status: "aborted", text: "" })
          assert.strictEqual((yield* ask(sessionId, "and now?")).text, "1: and now?")
          assert.strictEqual((yield* provider.stats).chats - chats, 1)
        }),
      limit
    )

    it.effect(
      "ends as aborted if its operator aborted it during its answer",
      () =>
        Effect.gen(function* () {
          const { client } = yield* OpenCodeHost
          const convex = yield* ConvexClient
          const operator = yield* Client
          const provider = yield* ScriptedProvider
          const sessionId = yield* newSession
          const { chats } = yield* provider.stats
          const turnId = yield* send(sessionId, "hello")
          const { claim, known, messageId, partId } = yield* earlier
          yield* claim(turnId)
          const { id } = yield* client.sessions.create({ title: "of an earlier process" })
          yield* convex.mutation(api.sessions.linkOpenCodeSession, { ...known, sessionId, opencodeSessionId: id })
          yield* script(() => Reply.sequence([Reply.text("so far"), Reply.hang]))
          yield* client.prompt({ sessionId: id, messageId, partId, text: "hello", model: "scripted/echo" })
          yield* convex.mutation(api.queue.markDelivered, { ...known, turnId })
          yield* Effect.repeat(provider.stats, { until: (now) => now.chats > chats, schedule })
          yield* operator.call(({ turns }) => turns.abort(turnId))
          yield* runWorker
          assert.strictEqual((yield* answer(turnId)).status, "aborted")
          assert.strictEqual((yield* provider.stats).chats - chats, 1)
        }),
      limit
    )
  })

  describe("a session that OpenCode has lost", () => {
    it.effect(
      "is reported by the next turn that runs, if the process that had to report it died",
      () =>
        Effect.gen(function* () {
          const { client } = yield* OpenCodeHost
          const convex = yield* ConvexClient
          const sessionId = yield* newSession
          yield* Effect.scoped(Effect.andThen(runWorker, ask(sessionId, "remember me")))
          for (const { id } of yield* client.sessions.list()) yield* client.sessions.remove(id)
          const turnId = yield* send(sessionId, "who am I?")
          const { claim, known } = yield* earlier
          yield* claim(turnId)
          const { id } = yield* client.sessions.create({ title: "recreated" })
          yield* convex.mutation(api.sessions.linkOpenCodeSession, { ...known, sessionId, opencodeSessionId: id })
          yield* runWorker
          const { notices, text } = yield* answer(turnId)
          assert.strictEqual(text, "1: who am I?")
          assert.match(notices.join(), /no longer had this session/)
          assert.deepStrictEqual((yield* ask(sessionId, "and now?")).notices, [])
        }),
      limit
    )
  })

  describe("a turn after a refused call", () => {
    it.effect(
      "runs if it was claimed but never reached OpenCode",
      () =>
        Effect.gen(function* () {
          const operator = yield* Client
          const sessionId = yield* newSession
          const { claim, known } = yield* earlier
          const workerId = yield* runWorker
          const phase = Effect.map(
            operator.call(({ workers }) => workers.list()),
            (all) => all.find((each) => each.workerId === workerId)?.phase
          )
          yield* operator.call(({ workers }) => workers.pause(workerId))
          yield* Effect.repeat(phase, { until: (now) => now === "paused", schedule })
          const turnId = yield* send(sessionId, "hello")
          // The worker is the successor of the earlier process, in the next epoch.
          assert.isNotNull(yield* claim(turnId, known.epoch + 1))
          yield* operator.call(({ workers }) => workers.resume(workerId))
          assert.deepInclude(yield* answer(turnId), { status: "completed", text: "1: hello" })
        }),
      limit
    )

    it.effect(
      "keeps its answer although the deployment refused its outcome once",
      () =>
        Effect.gen(function* () {
          const provider = yield* ScriptedProvider
          const sessionId = yield* newSession
          const { chats } = yield* provider.stats
          const { calls, convex } = yield* refusingOnce("queue:finish")
          yield* Effect.provideService(runWorker, ConvexClient, convex)
          const turnId = yield* send(sessionId, "hello")
          assert.deepInclude(yield* answer(turnId), { status: "completed", text: "1: hello" })
          assert.strictEqual(calls(), 2)
          assert.strictEqual((yield* ask(sessionId, "again")).text, "2: again")
          assert.strictEqual((yield* provider.stats).chats - chats, 2)
        }),
      limit
    )

    it.effect(
      "runs, and so do the turns behind it, although the deployment refused its claim once",
      () =>
        Effect.gen(function* () {
          const provider = yield* ScriptedProvider
          const sessionId = yield* newSession
          const { chats } = yield* provider.stats
          const { calls, convex } = yield* refusingOnce("queue:claim")
          yield* Effect.provideService(runWorker, ConvexClient, convex)
          const turns = yield* Effect.forEach(["hello", "again"], (text) => send(sessionId, text))
          const answers = yield* Effect.forEach(turns, answer)
          assert.deepStrictEqual(
            answers.map(({ text }) => text),
            ["1: hello", "2: again"]
          )
          assert.strictEqual(calls(), 3)
          assert.strictEqual((yield* provider.stats).chats - chats, 2)
        }),
      limit
    )

    it.effect(
      "completes although the deployment refused to record its delivery",
      () =>
        Effect.gen(function* () {
          const provider = yield* ScriptedProvider
          const sessionId = yield* newSession
          const { chats } = yield* provider.stats
          const { calls, convex } = yield* refusingOnce("queue:markDelivered")
          yield* Effect.provideService(runWorker, ConvexClient, convex)
          assert.deepInclude(yield* ask(sessionId, "hello"), { status: "completed", text: "1: hello" })
          assert.strictEqual(calls(), 1)
          assert.strictEqual((yield* provider.stats).chats - chats, 1)
        }),
      limit
    )
  })
})
