/** Calls during and after an outage. Each test stops the deployment, so they have a file of their own. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
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

/** Closes the connection of clients; the deployment then seems to refuse the tokens of the next few. */
const refusingTokens = Effect.gen(function* () {
  const sockets: Array<WebSocket> = []
  let refusals = 0
  class Refused extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args)
      sockets.push(this)
      this.addEventListener("open", () => {
        if (refusals === 0) return
        refusals -= 1
        const refusal = { type: "AuthError", error: "no keys", baseVersion: 1000, authUpdateAttempted: true }
        setTimeout(() => {
          this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(refusal) }))
          this.close()
        })
      })
    }
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => vi.stubGlobal("WebSocket", Refused)),
    () => Effect.sync(() => vi.unstubAllGlobals())
  )
  return (count: number) =>
    Effect.gen(function* () {
      refusals = count
      sockets.at(-1)?.close()
      yield* Effect.repeat(
        Effect.sync(() => refusals),
        { until: (left) => left === 0, schedule: Schedule.spaced("50 millis") }
      )
    })
})

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

  test.effect("a deployment that refuses tokens for a time, as after its restart, does not sign the client out", () =>
    Effect.gen(function* () {
      const refuseTokens = yield* refusingTokens
      const eva = yield* connection("eva")
      yield* eva.mutation(api.notes.add, { key: "1" })
      const notes = yield* Effect.forkChild(
        eva.subscribe(api.notes.list, {}).pipe(
          Stream.takeUntil(({ length }) => length === 2),
          Stream.runDrain
        ),
        { startImmediately: true }
      )
      yield* eva.query(api.notes.list, {})
      // The Convex client gives up at the fourth.
      yield* refuseTokens(4)
      yield* eva.mutation(api.notes.add, { key: "2" }, { idempotent: true })
      yield* Fiber.join(notes)
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
