import { createServer } from "node:http"
import { assert, describe, it } from "vitest"
import { createModelCache, ModelCacheError } from "../src/async.ts"
import { version } from "./support/source.ts"

const fetchModels = async () => version(1)

describe("createModelCache", () => {
  it("shares one fetch, resolves, and passes changes to onChange", async () => {
    let fetches = 0
    const seen: Array<string | null> = []
    const cache = await createModelCache({
      fetch: async () => version(++fetches),
      onChange: (snapshot) => seen.push(snapshot.default)
    })
    await Promise.all(Array.from({ length: 90 }, () => cache.get()))
    assert.strictEqual(fetches, 1)
    assert.strictEqual((await cache.resolve()).modelID, "m/1")
    cache.invalidate()
    assert.strictEqual((await cache.get()).default, "p/m/2")
    assert.deepInclude(cache.stats(), { fetches: 2, misses: 91 })
    await cache[Symbol.asyncDispose]()
    assert.deepStrictEqual(seen, ["p/m/1", "p/m/2"])
  })

  it("rejects with ModelCacheError after disposal, and with signal.reason after an abort", async () => {
    const { promise: list, resolve } = Promise.withResolvers<ReturnType<typeof version>>()
    const cache = await createModelCache({ fetch: () => list })
    const reason = new Error("the user quit")
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

  it.each<[string, unknown]>([
    ["options", null],
    ["fetch", {}],
    ["fetch", { fetch: "url" }],
    ["freshFor", { fetch: fetchModels, freshFor: "5 minutes" }],
    ["timeout", { fetch: fetchModels, timeout: -1 }],
    ["onChange", { fetch: fetchModels, onChange: true }],
    ["storage", { fetch: fetchModels, storage: "file" }],
    ["storage.read", { fetch: fetchModels, storage: {} }],
    ["storage.write", { fetch: fetchModels, storage: { read: async () => undefined } }],
    ["ttl", { fetch: fetchModels, ttl: 5 }]
  ])("rejects with InvalidOption, which names %s, for %o", async (option, options) => {
    const made: Promise<unknown> = Reflect.apply(createModelCache, undefined, [options])
    const error = await made.catch((rejected: unknown) => rejected)
    assert.instanceOf(error, ModelCacheError)
    assert.strictEqual(error.reason._tag, "InvalidOption")
    assert.include(error.message, `Option ${option} must be`)
  })

  it("sends one request to a real HTTP server for 90 callers", async () => {
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
    await using cache = await createModelCache({
      fetch: async (signal) => JSON.parse(await (await fetch(url, { signal })).text())
    })
    const snapshots = await Promise.all(Array.from({ length: 90 }, () => cache.get()))
    server.closeAllConnections()
    server.close()
    assert.strictEqual(requests, 1)
    assert.deepStrictEqual([...new Set(snapshots.map(({ default: id }) => id))], ["p/m/1"])
    assert.instanceOf(await cache.refresh().catch((error: unknown) => error), ModelCacheError)
    assert.strictEqual((await cache.get()).default, "p/m/1")
  })

  it("rejects with the cause of a failed fetch, and aborts a running fetch on disposal", async () => {
    const began = Promise.withResolvers<AbortSignal>()
    let fetches = 0
    const cache = await createModelCache({
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

  it("keeps the list in the given storage", async () => {
    let text: string | undefined
    const storage = {
      read: async () => text,
      write: async (next: string) => {
        text = next
      }
    }
    await using first = await createModelCache({ fetch: async () => version(1), storage })
    await first.get()
    await using second = await createModelCache({ fetch: () => Promise.reject(new Error("down")), storage })
    assert.strictEqual((await second.get()).default, "p/m/1")
    assert.strictEqual(second.stats().fetches, 0)
  })
})
