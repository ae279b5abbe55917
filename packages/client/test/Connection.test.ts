import { afterEach, assert, describe, it, vi } from "vitest"
import { ClientError, createClient } from "../src/index.ts"
import { useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

const reasonOf = async (promise: Promise<unknown>) => {
  const error = await promise.catch((cause: unknown) => cause)
  assert.instanceOf(error, ClientError)
  return error.reason
}

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

describe("createClient", () => {
  it("calls fail with Unreachable at their time limit while there is no deployment", async () => {
    await using client = createClient({ url: "http://127.0.0.1:9", auth: () => Promise.resolve("t"), timeout: 100 })
    assert.strictEqual((await reasonOf(client.workers.list()))._tag, "Unreachable")
  })

  it("watchStatus reports when the deployment is connected", async () => {
    await using client = createClient({ url: deployment().url, auth: () => deployment().token("ann") })
    const statuses: Array<boolean> = []
    for await (const isConnected of client.watchStatus()) {
      statuses.push(isConnected)
      if (isConnected) break
    }
    assert.deepStrictEqual(statuses, [false, true])
  })

  it("a token source that fails is retried", async () => {
    let attempts = 0
    const token = await deployment().token("ann")
    const auth = () => (++attempts === 1 ? Promise.reject(new Error("not yet")) : Promise.resolve(token))
    await using client = createClient({ url: deployment().url, auth })
    assert.deepStrictEqual(await client.workers.list(), [])
    assert.strictEqual(attempts, 2)
  })

  it("a client that is closed while its token source fails keeps no process alive", async () => {
    const client = createClient({ url: deployment().url, auth: () => Promise.reject(new Error("not yet")) })
    const started = vi.spyOn(globalThis, "setTimeout")
    const ended = vi.spyOn(globalThis, "clearTimeout")
    /** The delay before the source is asked again, which nothing else uses here. */
    const delays = () => started.mock.results.filter((_, i) => started.mock.calls[i]?.[1] === 2_000)
    await vi.waitFor(() => assert.isNotEmpty(delays()), { timeout: 3_000 })
    await client[Symbol.asyncDispose]()
    assert.isTrue(delays().every(({ value }) => ended.mock.calls.some(([timer]) => timer === value)))
  })

  it("without a token calls are rejected as Unauthenticated", async () => {
    await using client = createClient({ url: deployment().url, auth: () => Promise.resolve(null) })
    const reason = await reasonOf(client.workers.list())
    assert.deepInclude(reason, { _tag: "Rejected", code: "Unauthenticated" })
  })

  it("a fatal error of the deployment fails the calls without a response, and subscriptions continue after it", async () => {
    let isFatal = true
    class Fatal extends WebSocket {
      constructor(...args: ConstructorParameters<typeof WebSocket>) {
        super(...args)
        this.addEventListener("open", () => {
          const data = JSON.stringify({ type: "FatalError", error: "no such deployment" })
          if (isFatal) this.dispatchEvent(new MessageEvent("message", { data }))
          isFatal = false
        })
      }
    }
    vi.stubGlobal("WebSocket", Fatal)
    await using client = createClient({ url: deployment().url, auth: () => deployment().token("ann") })
    const watched = (async () => {
      for await (const workers of client.workers.watch()) return workers
    })()
    const called = await reasonOf(client.workers.list())
    assert.strictEqual(called._tag, "Unreachable")
    assert.match(called.message, /no such deployment/)
    assert.deepStrictEqual(await client.workers.list(), [])
    assert.deepStrictEqual(await watched, [])
  })

  it("a deployment that refuses tokens for a time, as after its restart, does not sign the operator out", async () => {
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
    vi.stubGlobal("WebSocket", Refused)
    await using client = createClient({ url: deployment().url, auth: () => deployment().token("bob") })
    const seen = Promise.withResolvers<void>()
    const watched = (async () => {
      for await (const workers of client.workers.watch()) {
        seen.resolve()
        if (workers.length > 0) return
      }
    })()
    await Promise.race([seen.promise, watched])

    // The Convex client gives up at the fourth.
    refusals = 4
    sockets.at(-1)?.close()
    await vi.waitFor(() => assert.strictEqual(refusals, 0), { timeout: 30_000 })
    // A query that no subscription has a result of.
    await vi.waitFor(() => client.inbox.list(), { timeout: 30_000 })
    await client.workers.approve((await deployment().startPairing()).code)
    await watched
  })

  it("calls and subscriptions end with Closed when the client is closed", async () => {
    const client = createClient({ url: "http://127.0.0.1:9", auth: () => Promise.resolve("t") })
    const watched = (async () => {
      for await (const workers of client.workers.watch()) return workers
    })()
    const ended = Promise.all([reasonOf(client.workers.list()), reasonOf(watched)])
    await client[Symbol.asyncDispose]()
    assert.deepStrictEqual(
      [...(await ended), await reasonOf(client.workers.list())].map(({ _tag }) => _tag),
      ["Closed", "Closed", "Closed"]
    )
  })
})
