/** What happens to calls while the deployment is away, and after. Each test takes it away, so they have a file of their own. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { api, ConvexClient, isTransient, retryTransient } from "../src/index.ts"
import { vi } from "vitest"
import { Deployment, pair } from "./support/deployment.ts"
import { slowLink } from "./support/slowLink.ts"

/** What clients send from now on: the functions that they call, and `Connect` for each connection. */
const sending = Effect.acquireRelease(
  Effect.sync(() => vi.spyOn(WebSocket.prototype, "send")),
  (spy) => Effect.sync(() => spy.mockRestore())
).pipe(
  Effect.map(
    (spy) => (what: string) =>
      spy.mock.calls.filter(([data]) => typeof data === "string" && data.includes(`"${what}"`)).length
  )
)

layer(Deployment.layer, { excludeTestServices: true, timeout: "30 seconds" })("an outage", (test) => {
  test.effect("a subscription outlives it, and shows what changed", () =>
    Effect.gen(function* () {
      const { url, token, whileAway } = yield* Deployment
      const operator = yield* ConvexClient.make({ url, auth: Effect.promise(() => token("ann")) })
      const states: Array<string> = []
      yield* Effect.forkScoped(Stream.runForEach(operator.connection, (state) => Effect.sync(() => states.push(state))))
      const workers = yield* Effect.forkChild(
        operator.subscribe(api.workers.list, {}).pipe(
          Stream.takeUntil((list) => list.length === 1),
          Stream.runDrain
        ),
        { startImmediately: true }
      )
      yield* operator.query(api.workers.list, {})
      yield* whileAway(
        operator.connection.pipe(
          Stream.filter((state) => state === "reconnecting"),
          Stream.runHead
        )
      )
      yield* pair(operator)
      yield* Fiber.join(workers)
      assert.deepStrictEqual(states.slice(-3), ["connected", "reconnecting", "connected"])
    })
  )

  test.effect(
    "100 calls are kept and carried out afterwards though they timed out; those that still waited are not",
    () =>
      Effect.gen(function* () {
        const { url, token, whileAway } = yield* Deployment
        const operator = yield* ConvexClient.make({
          url,
          auth: Effect.promise(() => token("bob")),
          mutationTimeout: "20 seconds"
        })
        const { workerId } = yield* pair(operator)
        const impatient = yield* ConvexClient.make({
          url,
          auth: Effect.promise(() => token("bob")),
          mutationTimeout: "200 millis"
        })
        yield* impatient.query(api.workers.list, {})
        const create = (key: number) => impatient.mutation(api.sessions.create, { workerId, idempotencyKey: `${key}` })
        const errors = yield* whileAway(
          Effect.all(
            Array.from({ length: 150 }, (_, key) => Effect.flip(create(key))),
            { concurrency: "unbounded" }
          )
        )
        assert.isTrue(errors.every(isTransient))
        const page = (cursor: string | null) => ({ workerId, paginationOpts: { numItems: 100, cursor } })
        yield* operator.subscribe(api.sessions.list, page(null)).pipe(
          Stream.filter((sessions) => sessions.page.length === 100),
          Stream.runHead
        )
        // Whatever was kept comes before this one.
        yield* retryTransient(create(1_000))
        const { continueCursor } = yield* operator.query(api.sessions.list, page(null))
        const rest = yield* operator.query(api.sessions.list, page(continueCursor))
        assert.strictEqual(rest.page.length, 1)
      })
  )

  test.effect("a call that may be carried out twice is under way once, however long the deployment is away", () =>
    Effect.gen(function* () {
      const { url, token, whileAway } = yield* Deployment
      const auth = Effect.promise(() => token("cid"))
      const operator = yield* ConvexClient.make({ url, auth })
      const { workerId } = yield* pair(operator)
      const client = yield* ConvexClient.make({ url, auth, mutationTimeout: "50 millis" })
      yield* client.query(api.workers.list, {})
      const sent = yield* sending
      const create = client.mutation(api.sessions.create, { workerId, idempotencyKey: "once" }, { idempotent: true })
      const created = yield* whileAway(
        Effect.tap(Effect.forkChild(create, { startImmediately: true }), Effect.sleep("1 second"))
      )
      assert.isString(yield* Fiber.join(created))
      assert.strictEqual(sent("sessions:create"), 1)
    })
  )

  test.effect("a call that takes longer than its limit to arrive is not taken for a deployment that is silent", () =>
    Effect.gen(function* () {
      const { url, token } = yield* Deployment
      const auth = Effect.promise(() => token("dot"))
      const operator = yield* ConvexClient.make({ url, auth })
      const { workerId } = yield* pair(operator)
      const sessionId = yield* operator.mutation(api.sessions.create, { workerId, idempotencyKey: "s" })
      const sent = yield* sending
      const slow = yield* ConvexClient.make({
        url: yield* slowLink(url, 50_000),
        auth,
        mutationTimeout: "300 millis"
      })
      yield* slow.query(api.workers.list, {})
      const large = { sessionId, text: "x".repeat(150_000), idempotencyKey: "large" }
      assert.isString(yield* slow.mutation(api.turns.send, large, { idempotent: true }))
      assert.deepStrictEqual([sent("turns:send"), sent("Connect")], [1, 1])
    })
  )
})
