import { createServer } from "node:http"
import { assert, describe, it } from "vitest"
import { Schema } from "effect"
import { modelCache, ModelCacheError, ModelCatalog } from "../src/index.ts"
import { version } from "./support/source.ts"

const decode = Schema.decodeUnknownSync(ModelCatalog.ModelCatalog)

describe("modelCache", () => {
  it("shares one fetch, resolves, and iterates over the changes until it is disposed", async () => {
    let fetches = 0
    const cache = await modelCache({ fetch: async () => version(++fetches) })
    const seen: Array<string | null> = []
    const following = (async () => {
      for await (const snapshot of cache.changes) seen.push(snapshot.default)
    })()
    await Promise.all(Array.from({ length: 90 }, () => cache.get()))
    assert.strictEqual(fetches, 1)
    assert.strictEqual((await cache.resolve()).modelID, "m/1")
    cache.invalidate()
    assert.strictEqual((await cache.get()).default, "p/m/2")
    assert.deepInclude(cache.stats(), { fetches: 2, misses: 91 })
    await cache[Symbol.asyncDispose]()
    await following
    assert.deepStrictEqual(seen, ["p/m/1", "p/m/2"])
  })

  it("rejects with ModelCacheError after disposal, and with signal.reason after an abort", async () => {
    const { promise: list, resolve } = Promise.withResolvers<ReturnType<typeof version>>()
    const cache = await modelCache({ fetch: () => list })
    const reason = new Error("the user left")
    const controller = new AbortController()
    const aborted = cache.get({ signal: controller.signal }).catch((error: unknown) => error)
    const other = cache.get()
    controller.abort(reason)
    assert.strictEqual(await aborted, reason)
    resolve(version(1))
    assert.strictEqual((await other).default, "p/m/1")
    await cache[Symbol.asyncDispose]()
    const closed: unknown = await cache.get().catch((error: unknown) => error)
    assert.instanceOf(closed, ModelCacheError)
    assert.strictEqual(closed.reason._tag, "Closed")
    assert.strictEqual(cache.stats().fetches, 1)
  })

  it("names the option whose type is wrong", async () => {
    for (const [option, options] of [
      ["fetch", {}],
      ["storage.write", { fetch: async () => version(1), storage: { read: async () => undefined } }]
    ] as const) {
      const made: Promise<unknown> = Reflect.apply(modelCache, undefined, [options])
      const error = await made.catch((rejected: unknown) => rejected)
      assert.instanceOf(error, ModelCacheError)
      assert.strictEqual(error.message, `The option ${option} must be a function, and was undefined`)
    }
  })

  it("asks a real HTTP server once for 90 callers", async () => {
    let requests = 0
    const server = createServer((_, response) => {
      requests += 1
      response.end(JSON.stringify(version(requests)))
    })
    const url = await new Promise<string>((resolve) =>
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resolve(`http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`)
      })
    )
    await using cache = await modelCache({
      fetch: async (signal) => decode(await (await fetch(url, { signal })).json())
    })
    const snapshots = await Promise.all(Array.from({ length: 90 }, () => cache.get()))
    server.closeAllConnections()
    server.close()
    assert.strictEqual(requests, 1)
    assert.deepStrictEqual([...new Set(snapshots.map(({ default: id }) => id))], ["p/m/1"])
    assert.instanceOf(await cache.refresh().catch((error: unknown) => error), ModelCacheError)
    assert.strictEqual((await cache.get()).default, "p/m/1")
  })

  it("rejects with the reason, and aborts a fetch that runs when it is disposed", async () => {
    const began = Promise.withResolvers<AbortSignal>()
    let fetches = 0
    const cache = await modelCache({
      fetch: async (signal) => {
        if (++fetches === 1) throw new Error("no route to host")
        began.resolve(signal)
        return new Promise(() => {})
      }
    })
    const error = await cache.get().catch((cause: unknown) => cause)
    assert.instanceOf(error, ModelCacheError)
    assert.include(error.message, "no route to host")
    const waiting = cache.get().catch(() => "interrupted")
    const signal = await began.promise
    await cache[Symbol.asyncDispose]()
    assert.strictEqual(await waiting, "interrupted")
    assert.isTrue(signal.aborted)
  })

  it("keeps the list in the storage it is given", async () => {
    let text: string | undefined
    const storage = {
      read: async () => text,
      write: async (next: string) => {
        text = next
      }
    }
    await using first = await modelCache({ fetch: async () => version(1), storage })
    await first.get()
    await using second = await modelCache({ fetch: () => Promise.reject(new Error("down")), storage })
    assert.strictEqual((await second.get()).default, "p/m/1")
    assert.strictEqual(second.stats().fetches, 0)
  })
})
