/** All parts together, over the real client and the real backend: from a prompt to its answer. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { Agent, api, DeltaWriter, Lease, Pairing, TurnScheduler, type WorkerCredentials } from "../src/index.ts"
import * as ScriptedAgent from "../src/testing/ScriptedAgent.ts"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { connection, Deployment, pair } from "./support/deployment.ts"

const workerLayer = (credentials: WorkerCredentials, agent: Agent["Service"], window?: number) =>
  TurnScheduler.layer(window === undefined ? {} : { window }).pipe(
    Layer.provide(Layer.merge(DeltaWriter.layer(), Layer.succeed(Agent, agent))),
    Layer.provide(Lease.layer(credentials, { processId: "p" }))
  )

layer(Deployment.layer, { excludeTestServices: true })("a worker", (test) => {
  test.effect("waits for approval, runs a prompt, and streams the answer to the operator", () =>
    Effect.gen(function* () {
      const operator = yield* connection("ann")
      const convex = yield* connection()
      const attempt = yield* Pairing.begin({ machine: "laptop", directory: "/work" }).pipe(
        Effect.provideService(ConvexClient, convex)
      )
      const approval = yield* Effect.forkChild(Effect.provideService(Pairing.approved(attempt), ConvexClient, convex), {
        startImmediately: true
      })
      const workerId = yield* operator.action(api.pairing.approve, { code: attempt.code })
      const credentials = yield* Fiber.join(approval)
      assert.strictEqual(credentials.workerId, workerId)

      const sessionId = yield* operator.mutation(api.sessions.create, { workerId, idempotencyKey: "s" })
      const turnId = yield* operator.mutation(api.turns.send, { sessionId, text: "Count", idempotencyKey: "1" })
      const read = yield* Effect.forkChild(
        operator.subscribe(api.turns.live, { turnId, after: 0 }).pipe(
          Stream.takeUntil(({ status }) => status === "completed"),
          Stream.runCollect
        ),
        { startImmediately: true }
      )

      const { agent } = ScriptedAgent.make({ script: () => ["one ", "two ", "three"].map((say) => ({ say })) })
      const ended = operator.subscribe(api.turns.live, { turnId, after: 0 }).pipe(
        Stream.takeUntil(({ status }) => status === "completed"),
        Stream.runDrain
      )
      yield* TurnScheduler.use(({ run }) => Effect.raceFirst(run, ended)).pipe(
        Effect.provide(workerLayer(credentials, agent)),
        Effect.provideService(ConvexClient, convex)
      )

      const seen = yield* Fiber.join(read)
      const longest = seen
        .map(({ deltas }) => deltas.flatMap(({ segments }) => segments.map(({ text }) => text)).join(""))
        .reduce((a, b) => (b.length > a.length ? b : a), "")
      assert.strictEqual(longest, "one two three")
      assert.strictEqual(seen.at(-1)?.status, "completed")
      const paginationOpts = { numItems: 1, cursor: null }
      const { page } = yield* operator.query(api.turns.parts, { turnId, paginationOpts })
      assert.strictEqual(page[0]?.payload, '{"text":"one "}')
    })
  )

  test.effect("runs each ready turn once, one per session at a time, whenever its prompt was sent", () =>
    Effect.gen(function* () {
      const operator = yield* connection("bob")
      const credentials = yield* pair(operator)
      const { workerId } = credentials
      const sessions = yield* Effect.forEach(["a", "b"], (idempotencyKey) =>
        operator.mutation(api.sessions.create, { workerId, idempotencyKey })
      )
      const send = (text: string) =>
        Effect.forEach(sessions, (sessionId, index) =>
          operator.mutation(api.turns.send, { sessionId, text: `${index}${text}`, idempotencyKey: text })
        )
      yield* send("1")
      yield* send("2")
      const last = yield* Deferred.make<void>()
      const texts: Array<string> = []
      const { agent } = ScriptedAgent.make({
        script: ({ text }) => {
          texts.push(text)
          const count = texts.length
          const more =
            count === 4 ? Effect.asVoid(send("3")) : count === 6 ? Deferred.succeed(last, undefined) : Effect.void
          return [{ wait: Effect.orDie(more) }]
        }
      })
      yield* TurnScheduler.use(({ run }) => Effect.raceFirst(run, Deferred.await(last))).pipe(
        Effect.provide(workerLayer(credentials, agent, 2)),
        Effect.provideService(ConvexClient, operator)
      )
      assert.sameMembers(texts, ["01", "11", "02", "12", "03", "13"])
      for (const session of ["0", "1"]) {
        const own = texts.filter((text) => text.startsWith(session))
        assert.deepStrictEqual(own, own.toSorted())
      }
    })
  )
})
