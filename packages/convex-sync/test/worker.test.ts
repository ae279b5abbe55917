/** All parts together, over the real client and the real backend: from a prompt to its answer. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { api, DeltaWriter, Inbox, Lease, Pairing, type ReadyTurn } from "../src/index.ts"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { connection, Deployment, pair } from "./support/deployment.ts"

const ids = { messageId: "msg_1", partId: "prt_1" }

layer(Deployment.layer, { excludeTestServices: true })("a worker", (test) => {
  test.effect("waits for approval, takes what is asked, streams the answer, and the operator reads along", () =>
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

      const worker = Effect.gen(function* () {
        const { mutation } = yield* Lease
        const { claim, run } = yield* Inbox
        const { append, end } = yield* DeltaWriter
        const answered = yield* Deferred.make<void>()
        const answer = Effect.fnUntraced(function* (turn: typeof turnId) {
          assert.isTrue(yield* claim(turn, ids))
          assert.isTrue(yield* claim(turn, ids))
          yield* mutation(api.queue.deliver, { turnId: turn })
          for (const text of ["one ", "two ", "three"]) yield* append(turn, { partId: "p", kind: "text", text })
          yield* end(turn)
          const parts = [{ index: 0, kind: "text", payload: '"one two three"' }]
          yield* mutation(api.queue.finish, { turnId: turn, outcome: "completed", parts })
        })
        yield* Effect.raceFirst(
          run((turn) => Effect.andThen(answer(turn.turnId), Deferred.succeed(answered, undefined))),
          Deferred.await(answered)
        )
      })
      yield* worker.pipe(
        Effect.provide(
          Layer.mergeAll(Inbox.layer(), DeltaWriter.layer()).pipe(
            Layer.provideMerge(Lease.layer(credentials, { processId: "p" }))
          )
        ),
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
      assert.strictEqual(page[0]?.payload, '"one two three"')
    })
  )

  test.effect("finds each ready turn once, prompts sent before and after it came, one a session at a time", () =>
    Effect.gen(function* () {
      const operator = yield* connection("bob")
      const credentials = yield* pair(operator)
      const { workerId } = credentials
      const sessions = yield* Effect.forEach(["a", "b"], (idempotencyKey) =>
        operator.mutation(api.sessions.create, { workerId, idempotencyKey })
      )
      const send = (text: string) =>
        Effect.forEach(sessions, (sessionId) =>
          operator.mutation(api.turns.send, { sessionId, text, idempotencyKey: text })
        )
      yield* send("1")
      yield* send("2")
      const texts: Array<string> = []
      yield* Effect.gen(function* () {
        const { claim, run } = yield* Inbox
        const { mutation } = yield* Lease
        const last = yield* Deferred.make<void>()
        const work = Effect.fnUntraced(function* ({ turnId, sessionId, text }: ReadyTurn) {
          texts.push(`${sessions.indexOf(sessionId)}${text}`)
          const count = texts.length
          assert.isTrue(yield* claim(turnId, ids))
          yield* mutation(api.queue.finish, { turnId, outcome: "completed", parts: [] })
          if (count === 4) yield* send("3")
          if (count === 6) yield* Deferred.succeed(last, undefined)
        })
        yield* Effect.raceFirst(run(work), Deferred.await(last))
      }).pipe(
        Effect.provide(
          Inbox.layer({ limit: 2 }).pipe(Layer.provideMerge(Lease.layer(credentials, { processId: "p" })))
        ),
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
