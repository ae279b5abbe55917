import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { ConvexClientError, createConvexClient } from "../src/async.ts"
import { api } from "./convex/notes.ts"
import { Deployment } from "./support/deployment.ts"

const rejection = (promise: Promise<unknown>) => promise.catch((error: unknown) => error)

layer(Deployment.layer, { excludeTestServices: true })("createConvexClient", (test) => {
  test.effect("queries, mutates and iterates over the results of a query", () =>
    Effect.gen(function* () {
      const { url, token } = yield* Deployment
      const lengths = yield* Effect.promise(async () => {
        await using client = createConvexClient({ url, auth: () => token("hal") })
        const seen: Array<number> = []
        for await (const notes of client.subscribe(api.notes.list, {})) {
          seen.push(notes.length)
          if (notes.length === 1) break
          await client.mutation(api.notes.add, { key: "1" })
        }
        return [...seen, (await client.query(api.notes.list, {})).length]
      })
      assert.deepStrictEqual(lengths, [0, 1, 1])
    })
  )

  test.effect("a call rejects with signal.reason after an abort and with Closed after disposal", () =>
    Effect.gen(function* () {
      const { url } = yield* Deployment
      yield* Effect.promise(async () => {
        const client = createConvexClient({ url })
        const reason = new Error("the user left")
        const controller = new AbortController()
        const called = rejection(client.mutation(api.notes.ping, {}, { idempotent: true, signal: controller.signal }))
        controller.abort(reason)
        assert.strictEqual(await called, reason)
        assert.strictEqual(await rejection(client.query(api.notes.list, {}, { signal: controller.signal })), reason)
        assert.strictEqual(await client.mutation(api.notes.ping, {}, { idempotent: true }), "pong")
        await client[Symbol.asyncDispose]()
        const closed = await rejection(client.query(api.notes.list, {}))
        assert.instanceOf(closed, ConvexClientError)
        assert.strictEqual(closed.reason._tag, "Closed")
      })
    })
  )

  test.effect("throws InvalidUrl for an unusable URL", () =>
    Effect.sync(() => {
      assert.throws(() => createConvexClient({ url: "nonsense" }), ConvexClientError, /is not an absolute URL/)
    })
  )
})
