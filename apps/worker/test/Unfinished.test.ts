import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { ConvexClient, ConvexSyncError, FunctionFailed } from "@opencode-worker/convex-sync"
import { ascendingId, OpenCodeHost } from "@opencode-worker/opencode-host"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { getFunctionName } from "convex/server"
import { Effect } from "effect"
import { Operator } from "../src/Operator.ts"
import { answer, ask, limit, newSession, runWorker, schedule, script, send, world } from "./support/world.ts"

/** Takes the lease as a process of the worker would, and a turn under it. Gives what that process knows, and its epoch. */
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
    partIds: [partId] as const,
    claim: (turnId: Id<"turns">, at = epoch) =>
      convex.mutation(api.queue.claim, { workerId, secret, epoch: at, turnId, messageId, partIds: [partId] })
  }
})

layer(world, { excludeTestServices: true, timeout: 120_000 })("a turn that an earlier process left", (it) => {
  it.effect(
    "is not run when its operator has stopped it meanwhile",
    () =>
      Effect.gen(function* () {
        const operator = yield* Operator
        const provider = yield* ScriptedProvider
        const sessionId = yield* newSession
        const { chats } = yield* provider.stats
        const turnId = yield* send(sessionId, "never")
        const { claim } = yield* earlier
        assert.isTrue((yield* claim(turnId)).claimed)
        yield* operator.abort(turnId)
        yield* runWorker
        assert.deepInclude(yield* answer(turnId), { status: "aborted", text: "" })
        assert.strictEqual((yield* ask(sessionId, "and now?")).text, "1: and now?")
        assert.strictEqual((yield* provider.stats).chats - chats, 1)
      }),
    limit
  )

  it.effect(
    "ends as aborted when its operator has stopped it in its answer",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const convex = yield* ConvexClient
        const operator = yield* Operator
        const provider = yield* ScriptedProvider
        const sessionId = yield* newSession
        const { chats } = yield* provider.stats
        const turnId = yield* send(sessionId, "hello")
        const { claim, known, messageId, partIds } = yield* earlier
        yield* claim(turnId)
        const { id } = yield* client.sessions.create({ title: "of an earlier process" })
        yield* convex.mutation(api.sessions.bind, { ...known, sessionId, opencodeSessionId: id })
        yield* script(() => Reply.sequence([Reply.text("so far"), Reply.hang]))
        yield* client.prompt({ sessionId: id, messageId, partIds, text: "hello", model: "scripted/echo" })
        yield* convex.mutation(api.queue.deliver, { ...known, turnId })
        yield* Effect.repeat(provider.stats, { until: (now) => now.chats > chats, schedule })
        yield* operator.abort(turnId)
        yield* runWorker
        assert.strictEqual((yield* answer(turnId)).status, "aborted")
        assert.strictEqual((yield* provider.stats).chats - chats, 1)
      }),
    limit
  )
})

layer(world, { excludeTestServices: true, timeout: 120_000 })("a turn that this process runs no more", (it) => {
  it.effect(
    "is run when it never reached OpenCode",
    () =>
      Effect.gen(function* () {
        const operator = yield* Operator
        const sessionId = yield* newSession
        const { claim, known } = yield* earlier
        const workerId = yield* runWorker
        const phase = Effect.map(operator.workers, (all) => all.find((each) => each.workerId === workerId)?.phase)
        yield* operator.pause(workerId)
        yield* Effect.repeat(phase, { until: (now) => now === "paused", schedule })
        const turnId = yield* send(sessionId, "hello")
        // The worker has followed the earlier process, in the next epoch.
        assert.isTrue((yield* claim(turnId, known.epoch + 1)).claimed)
        yield* operator.resume(workerId)
        assert.deepInclude(yield* answer(turnId), { status: "completed", text: "1: hello" })
      }),
    limit
  )

  it.effect(
    "keeps the answer that OpenCode has, although the deployment refused it once",
    () =>
      Effect.gen(function* () {
        const convex = yield* ConvexClient
        const provider = yield* ScriptedProvider
        const sessionId = yield* newSession
        const { chats } = yield* provider.stats
        let refused = 0
        const refusing: ConvexClient["Service"] = {
          ...convex,
          mutation: (mutation, args) =>
            getFunctionName(mutation) === getFunctionName(api.queue.finish) && refused++ === 0
              ? Effect.fail(
                  new ConvexSyncError({
                    operation: "queue:finish",
                    reason: new FunctionFailed({ message: "Too many writes at once" })
                  })
                )
              : convex.mutation(mutation, args)
        }
        yield* Effect.provideService(runWorker, ConvexClient, refusing)
        const turnId = yield* send(sessionId, "hello")
        assert.deepInclude(yield* answer(turnId), { status: "completed", text: "1: hello" })
        assert.strictEqual(refused, 2)
        assert.strictEqual((yield* ask(sessionId, "again")).text, "2: again")
        assert.strictEqual((yield* provider.stats).chats - chats, 2)
      }),
    limit
  )
})
