/** Calls during and after an outage. Each test stops the deployment, so they have a file of their own. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { vi } from "vitest"
import { isTransient, retryTransient } from "../src/index.ts"
import { api } from "./convex/notes.ts"
import { connection, Deployment } from "./support/deployment.ts"
import { slowLink } from "./support/slowLink.ts"

/** Counts what clients send from now on, by function name, or by `Connect` for connections. */
const countSent = Effect.acquireRelease(
  Effect.sync(() => vi.spyOn(WebSocket.prototype, "send")),
  (spy) => Effect.sync(() => spy.mockRestore())
).pipe(
  Effect.map(
    (spy) => (name: string) =>
      spy.mock.calls.filter(([data]) => typeof data === "string" && data.includes(`"${name}"`)).length
  )
)

layer(Deployment.layer, { excludeTestServices: true, timeout: "30 seconds" })("an outage", (test) => {
  test.effect("a subscription survives it, and emits the change", () =>
    Effect.gen(function* () {
      const { whileAway } = yield* Deployment
      const ann = yield* connection("ann")
      const states: Array<string> = []
      yield* Effect.forkScoped(Stream.runForEach(ann.connection, (state) => Effect.sync(() => states.push(state))))
      const notes = yield* Effect.forkChild(
        ann.subscribe(api.notes.list, {}).pipe(
          Stream.takeUntil(({ length }) => length === 1),
          Stream.runDrain
        ),
        { startImmediately: true }
      )
      yield* ann.query(api.notes.list, {})
      yield* whileAway(
        ann.connection.pipe(
          Stream.filter((state) => state === "reconnecting"),
          Stream.runHead
        )
      )
      yield* ann.mutation(api.notes.add, { key: "1" })
      yield* Fiber.join(notes)
      assert.deepStrictEqual(states.slice(-3), ["connected", "reconnecting", "connected"])
    })
  )

  test.effect("100 calls are kept and run afterwards though they timed out; further calls are not sent", () =>
    Effect.gen(function* () {
      const { whileAway } = yield* Deployment
      const bob = yield* connection("bob", { mutationTimeout: "20 seconds" })
      const impatient = yield* connection("bob", { mutationTimeout: "200 millis" })
      yield* impatient.query(api.notes.list, {})
      const add = (key: number) => impatient.mutation(api.notes.add, { key: `${key}` })
      const errors = yield* whileAway(
        Effect.all(
          Array.from({ length: 150 }, (_, key) => Effect.flip(add(key))),
          { concurrency: "unbounded" }
        )
      )
      assert.isTrue(errors.every(isTransient))
      yield* bob.subscribe(api.notes.list, {}).pipe(
        Stream.filter(({ length }) => length === 100),
        Stream.runHead
      )
      // All calls that were kept run before this one.
      yield* retryTransient(add(1_000))
      assert.strictEqual((yield* bob.query(api.notes.list, {})).length, 101)
    })
  )

  test.effect("an idempotent call is in flight once, however long the deployment is away", () =>
    Effect.gen(function* () {
      const { whileAway } = yield* Deployment
      const client = yield* connection("cid", { mutationTimeout: "50 millis" })
      yield* client.query(api.notes.list, {})
      const sent = yield* countSent
      const add = client.mutation(api.notes.add, { key: "once" }, { idempotent: true })
      const added = yield* whileAway(
        Effect.tap(Effect.forkChild(add, { startImmediately: true }), Effect.sleep("1 second"))
      )
      assert.isString(yield* Fiber.join(added))
      assert.strictEqual(sent("notes:add"), 1)
    })
  )

  test.effect("a call that takes longer than its time limit to arrive does not count as silence", () =>
    Effect.gen(function* () {
      const { url } = yield* Deployment
      const sent = yield* countSent
      const slow = yield* connection("dot", { url: yield* slowLink(url, 50_000), mutationTimeout: "300 millis" })
      yield* slow.query(api.notes.list, {})
      const large = { key: "large", text: "x".repeat(150_000) }
      assert.isString(yield* slow.mutation(api.notes.add, large, { idempotent: true }))
      assert.deepStrictEqual([sent("notes:add"), sent("Connect")], [1, 1])
    })
  )
})
