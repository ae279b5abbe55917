/**
 * The web console in a real browser, with the real client, deployment, worker and OpenCode, and a scripted model. One boot
 * for all tests; the fault proxy is the network between the browser and the deployment.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Client } from "@opencode-worker/client/effect"
import { type BrowserContextOptions, launchBrowser, type TestBrowser } from "@opencode-worker/harness/browser"
import { FaultProxy, OpenCodeHome, ScriptedProvider } from "@opencode-worker/testkit"
import { Context, Effect, Layer } from "effect"
import { EmbeddedDeployment } from "../../src/local/EmbeddedDeployment.ts"
import { devLayer } from "../../src/layers.ts"
import { folderIn, runWorker } from "../support/world.ts"
import { open, sees } from "./browser.ts"
import { walkByKeys } from "./keys.ts"
import { scriptFor } from "./script.ts"
import { startSession, walk } from "./walk.ts"

const limit = { timeout: 600_000 }

/** `pnpm test:full` repeats the steps by keyboard alone. */
const isFull = process.env["TEST_FULL"] !== undefined

/** A site of another origin; a request to it is a failure unless the test sends it. */
class Elsewhere extends Context.Service<Elsewhere, { readonly url: string; readonly hits: () => number }>()(
  "Elsewhere"
) {
  static readonly layer = Layer.effect(
    Elsewhere,
    Effect.acquireRelease(
      Effect.promise(async () => {
        let hits = 0
        const server = createServer((_, response) => {
          hits += 1
          response.setHeader("content-type", "text/html").end("<title>Elsewhere</title>")
        })
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a server that listens on a port
        const { port } = server.address() as AddressInfo
        return { url: `http://127.0.0.1:${port}/page`, hits: () => hits, close: () => server.close() }
      }),
      ({ close }) => Effect.sync(close)
    )
  )
}

class Browser extends Context.Service<Browser, TestBrowser["browser"]>()("Browser") {
  static readonly layer = Layer.effect(
    Browser,
    Effect.acquireRelease(
      Effect.promise(() => launchBrowser()),
      (launched) => Effect.promise(() => launched[Symbol.asyncDispose]())
    ).pipe(Effect.map(({ browser }) => browser))
  )
}

const provider = Layer.unwrap(
  Elsewhere.useSync(({ url }) =>
    ScriptedProvider.layer(scriptFor(url), { models: ["scripted"], imageModels: ["scripted"] })
  )
)

const world = Layer.unwrap(
  Effect.gen(function* () {
    const { config } = yield* ScriptedProvider
    const home = yield* OpenCodeHome.make({
      // Undo needs snapshots.
      config: { ...config, snapshot: true, permission: { bash: { "rm *": "ask" }, edit: "ask" } }
    })
    const { directory, environment } = home
    return devLayer({ directory, environment, start: "eager" }).pipe(
      Layer.provideMerge(EmbeddedDeployment.serve(folderIn(home))),
      Layer.merge(Layer.succeed(OpenCodeHome, home))
    )
  })
).pipe(
  Layer.provideMerge(provider),
  Layer.provideMerge(Layer.mergeAll(Elsewhere.layer, Browser.layer, NodeServices.layer))
)

const network = Layer.unwrap(
  EmbeddedDeployment.useSync(({ url }) => FaultProxy.layer({ port: Number(new URL(url).port) }))
)

const worker = Layer.effectDiscard(runWorker)

/** A browser that opens a pairing link. */
const signedIn = Effect.fnUntraced(function* (options: BrowserContextOptions) {
  const browser = yield* Browser
  const client = yield* Client
  const proxy = yield* FaultProxy
  const { code } = yield* client.call(({ devices }) => devices.add({ name: "browser", scope: "operate" }))
  const context = yield* Effect.acquireRelease(
    Effect.promise(() => browser.newContext(options)),
    (opened) => Effect.promise(() => opened.close())
  )
  const visited = yield* Effect.promise(() => open(context, `${proxy.url}/#pair=${code}`))
  yield* Effect.promise(() => visited.page.getByRole("heading", { name: "Inbox" }).waitFor())
  return { ...visited, context, code }
})

/** Everything in a page that could be active. */
interface Found {
  readonly hacked: string
  readonly links: ReadonlyArray<string>
  readonly remote: number
  readonly text: string
  readonly violations: ReadonlyArray<string>
}

layer(worker.pipe(Layer.provideMerge(network), Layer.provideMerge(world)), {
  excludeTestServices: true,
  timeout: 180_000
})("the web console", (it) => {
  it.effect.each([
    ["on a desktop", { viewport: { width: 1280, height: 800 } }],
    ["on a phone", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }]
  ] as const)(
    "drives an agent %s, from pairing to going offline and back",
    ([, options]) =>
      Effect.gen(function* () {
        const { directory } = yield* OpenCodeHome
        const { code, context, logs, page, requests } = yield* signedIn(options)
        yield* walk(page, directory, yield* FaultProxy)

        // Neither tokens nor codes are in addresses, logs or the storage that every script of the origin reads.
        const { origin } = new URL(page.url())
        const kept = [
          ...requests,
          ...logs,
          JSON.stringify(yield* Effect.promise(() => context.storageState())),
          String(yield* Effect.promise(() => page.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })")))
        ]
        for (const text of kept) {
          assert.notMatch(text, /eyJ[\w-]+\.eyJ/)
          assert.notInclude(text, code)
        }
        for (const url of requests.filter((each) => !/^(?:blob|data):/.test(each))) {
          assert.strictEqual(new URL(url).host, new URL(origin).host, url)
        }
        assert.deepStrictEqual(yield* Effect.promise(() => page.evaluate("violations")), [])
      }),
    limit
  )

  it.effect.runIf(isFull)(
    "drives an agent by keyboard alone, from pairing to going offline and back",
    () =>
      Effect.gen(function* () {
        const { directory } = yield* OpenCodeHome
        const { page } = yield* signedIn({ viewport: { width: 1280, height: 800 } })
        yield* walkByKeys(page, directory, yield* FaultProxy)
      }),
    limit
  )

  it.effect(
    "shows nothing active of a hostile answer, and lets no other origin call it",
    () =>
      Effect.gen(function* () {
        const elsewhere = yield* Elsewhere
        const proxy = yield* FaultProxy
        const { context, page, requests } = yield* signedIn({ viewport: { width: 1280, height: 800 } })
        const answer = yield* Effect.promise(() => fetch(proxy.url))
        const policy = answer.headers.get("content-security-policy") ?? ""
        for (const directive of [
          "default-src 'none'",
          "script-src 'self'",
          "frame-ancestors 'none'",
          "base-uri 'none'",
          "form-action 'none'",
          "require-trusted-types-for 'script'",
          "trusted-types opencode-worker"
        ]) {
          assert.include(policy, directive)
        }
        yield* Effect.promise(async () => {
          await startSession(page, "Be hostile")
          await sees(page, "The hostile answer ends here.")
          // Reloaded, so that the finished answer is rendered, too.
          await page.reload()
          await sees(page, "The hostile answer ends here.")
          const found: Found = await page.evaluate(`({
              hacked: String(globalThis.wasHacked),
              links: [...document.links].map(({ href }) => href),
              remote: document.querySelectorAll("main img[src^=http], main iframe, main script, main [onclick], main [onerror]").length,
              text: document.body.innerText,
              violations
            })`)
          const { links, text, ...active } = found
          assert.deepStrictEqual(active, { hacked: "undefined", remote: 0, violations: [] })
          for (const link of links) assert.match(link, /^https?:/)
          assert.notMatch(text, /[\u202a-\u202e\u2066-\u2069]/)
          assert.strictEqual(elsewhere.hits(), 0)
          assert.isEmpty(requests.filter((url) => url.startsWith(elsewhere.url)))

          const other = await context.newPage()
          await other.goto(elsewhere.url)
          const calls = await other.evaluate(`(async () => {
              const url = ${JSON.stringify(proxy.url)}
              const body = JSON.stringify({ path: "devices:list", args: {} })
              const call = (init) => fetch(url + "/api/query", { method: "POST", body, ...init })
                .then(({ status, type }) => type === "opaque" ? "opaque" : "status " + status, () => "refused")
              const socket = () => new Promise((resolve) => {
                const opened = new WebSocket(url.replace("http", "ws") + "/api/1.49.0/sync")
                opened.onopen = () => resolve("opened")
                opened.onerror = () => resolve("refused")
              })
              const frame = () => new Promise((resolve) => {
                const element = document.createElement("iframe")
                element.src = url
                element.onload = () => { try { resolve(String(element.contentDocument)) } catch { resolve("closed") } }
                document.body.append(element)
              })
              return [await call({ headers: { "content-type": "application/json" } }), await socket(), await frame()]
            })()`)
          assert.deepStrictEqual(calls, ["refused", "refused", "null"])
        })
      }),
    limit
  )
})
