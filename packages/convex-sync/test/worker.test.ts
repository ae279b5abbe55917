/** All parts together, over the real client and the real backend: from a prompt to its answer. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema, Stream } from "effect"
import { api, ConvexClient, DeltaWriter, Inbox, Lease, Pairing } from "../src/index.ts"
import { news } from "../src/Inbox.ts"
import { connection, Deployment, pair } from "./support/deployment.ts"

const ids = { messageId: "msg_1", partIds: ["prt_1"] }

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
        const { claim, turns } = yield* Inbox
        const { append, end } = yield* DeltaWriter
        const answer = Effect.fnUntraced(function* (turn: typeof turnId) {
          assert.isTrue(yield* claim(turn, ids))
          assert.isTrue(yield* claim(turn, ids))
          yield* mutation(api.queue.deliver, { turnId: turn })
          for (const text of ["one ", "two ", "three"]) yield* append(turn, { partId: "p", kind: "text", text })
          yield* end(turn)
          const parts = [{ index: 0, kind: "text", payload: '"one two three"' }]
          yield* mutation(api.queue.finish, { turnId: turn, outcome: "completed", parts })
        })
        yield* turns.pipe(
          Stream.take(1),
          Stream.runForEach((turn) => answer(turn.turnId))
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
        const { claim, turns } = yield* Inbox
        const { mutation } = yield* Lease
        yield* turns.pipe(
          Stream.take(6),
          Stream.runForEach(({ turnId, sessionId, text }) =>
            Effect.gen(function* () {
              texts.push(`${sessions.indexOf(sessionId)}${text}`)
              assert.isTrue(yield* claim(turnId, ids))
              yield* mutation(api.queue.finish, { turnId, outcome: "completed", parts: [] })
              if (texts.length === 4) yield* send("3")
            })
          )
        )
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

const Window = Schema.Array(Schema.Literals(["a", "b", "c", "d"]))

const turns = (names: ReadonlyArray<string>) => [...new Set(names)].map((turnId) => ({ turnId }))

describe("news", () => {
  it.effect.prop("is what a window has and the one before had not", [Window, Window], ([before, after]) =>
    Effect.sync(() => {
      const [seen] = news(new Set<string>(), turns(before))
      const [, fresh] = news(seen, turns(after))
      assert.deepStrictEqual(fresh, turns(after.filter((name) => !before.some((other) => other === name))))
    })
  )
})
