/** What happens to calls while the deployment is away, and after. Each test takes it away, so they have a file of their own. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { api, ConvexClient, isTransient, retryTransient } from "../src/index.ts"
import { Deployment, pair } from "./support/deployment.ts"

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
})
