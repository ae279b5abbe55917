/** The web console at a real OpenID Connect provider, in a real browser, with a real deployment and without a worker. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { functionsDir } from "@opencode-worker/convex-backend"
import { deviceProvider } from "@opencode-worker/convex-backend/functions/deviceProvider"
import { ConvexEmbedded, type Deployment } from "@opencode-worker/convex-embedded"
import { launchBrowser, type TestBrowser } from "@opencode-worker/harness/browser"
import { Provider } from "oidc-provider"
import { afterAll, assert, beforeAll, describe, it, vi } from "vitest"
import { consolePage } from "../../src/local/consolePage.ts"
import { open, sees, type Visit } from "./browser.ts"

const clientId = "console"
const folder = mkdtempSync(join(tmpdir(), "console-login-"))
let launched: TestBrowser
let deployment: Deployment
let provider: Awaited<ReturnType<typeof serveProvider>>

/** A provider with its own pages for the login and the consent, for any name and password. */
const serveProvider = async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a server that listens on a port
  const { port } = server.address() as AddressInfo
  const issuer = `http://127.0.0.1:${port}`
  /** Requests to it: the method, the path and the query. */
  const requests: Array<string> = []
  return {
    issuer,
    requests,
    /** Accepts logins of the page at this origin. */
    accept: (origin: string) => {
      const oidc = new Provider(issuer, {
        clients: [
          {
            client_id: clientId,
            redirect_uris: [`${origin}/`],
            response_types: ["code"],
            grant_types: ["authorization_code"],
            token_endpoint_auth_method: "none"
          }
        ],
        clientBasedCORS: (_: unknown, from: string) => from === origin,
        cookies: { keys: ["of the test"] },
        pkce: { required: () => true },
        ttl: { IdToken: 600, AuthorizationCode: 60, AccessToken: 600, Grant: 600, Interaction: 600, Session: 600 }
      })
      server.on("request", (request, response) => {
        requests.push(`${request.method} ${request.url}`)
        void oidc.callback()(request, response)
      })
    },
    close: () => server.close()
  }
}

/** The built page with the configuration of a static host, and the policy that such a host sends. */
const pageFor = (issuer: string) => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a folder
  const dist = consolePage?.files as string
  const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((each) => each.isFile())
  const contents = files.map(({ name, parentPath }): [string, Uint8Array | string] => {
    const path = join(parentPath, name)
    return [`/${relative(dist, path)}`, readFileSync(path)]
  })
  const config = JSON.stringify({ login: { issuer, clientId } })
  return {
    files: { ...Object.fromEntries(contents), "/config.json": config },
    contentSecurityPolicy: `default-src 'none'; script-src 'self'; connect-src 'self' ${issuer}; img-src 'self' blob: data:; style-src 'self'; worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types opencode-worker`
  }
}

beforeAll(async () => {
  // The provider warns that its keys and pages are those of a test.
  vi.spyOn(console, "warn").mockImplementation(() => undefined)
  provider = await serveProvider()
  const { issuer } = provider
  ;[launched, deployment] = await Promise.all([
    launchBrowser(),
    ConvexEmbedded.make({
      functions: functionsDir,
      dataDir: join(folder, "data"),
      assets: pageFor(issuer),
      auth: {
        providers: [deviceProvider, { domain: issuer, applicationID: clientId }],
        discovery: true
      }
    })
  ])
  provider.accept(deployment.url)
})
afterAll(async () => {
  vi.restoreAllMocks()
  await launched[Symbol.asyncDispose]()
  await deployment.close()
  provider.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Passes the pages of the provider. */
const signIn = async ({ page }: Visit) => {
  await page.getByRole("button", { name: /^Sign in with 127\.0\.0\.1/ }).click()
  await page.locator("[name=login]").fill("ann")
  await page.locator("[name=password]").fill("any")
  await page.locator("[type=submit]").click()
  await page.getByRole("button", { name: "Continue" }).click()
}

describe("a login provider", () => {
  it("signs a browser in, which becomes a device and keeps no token", async () => {
    const context = await launched.browser.newContext()
    const visit = await open(context, deployment.url)
    const { logs, page, requests } = visit
    await signIn(visit)
    await page.getByRole("heading", { name: "Inbox" }).waitFor()
    const url = new URL(page.url())
    assert.deepStrictEqual([url.origin, url.search, url.hash], [deployment.url, "", "#/"])

    // It stays signed in, by its own key.
    const before = provider.requests.length
    await page.reload()
    await page.getByRole("heading", { name: "Inbox" }).waitFor()
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Settings" }).click()
    await sees(page, "this device")
    await sees(page, "web console")
    assert.strictEqual(provider.requests.length, before)

    const authorize = new URL(requests.find((each) => each.includes("/auth?")) ?? "")
    assert.strictEqual(authorize.searchParams.get("code_challenge_method"), "S256")
    assert.strictEqual(authorize.searchParams.get("response_mode"), "fragment")
    const stored = await page.evaluate(`(async () => {
      const values = [JSON.stringify({ ...localStorage, ...sessionStorage })]
      for (const { name } of await indexedDB.databases()) {
        const opened = indexedDB.open(name)
        await new Promise((resolve) => (opened.onsuccess = resolve))
        for (const store of opened.result.objectStoreNames) {
          const all = opened.result.transaction(store).objectStore(store).getAll()
          await new Promise((resolve) => (all.onsuccess = resolve))
          values.push(JSON.stringify(all.result))
        }
      }
      return values
    })()`)
    const { origins } = await context.storageState()
    // A code stays out of requests, too: the provider sends it in a fragment.
    for (const text of [...requests, ...logs, ...provider.requests, String(stored), JSON.stringify(origins)]) {
      assert.notMatch(text, /eyJ[\w-]+\.eyJ|verifier|[?&](?:code|id_token|access_token)=/, text)
    }
    assert.deepStrictEqual(await page.evaluate("violations"), [])
    await context.close()
  })

  it("does not sign in a browser with a response that it did not ask for, or that has another state", async () => {
    const context = await launched.browser.newContext()
    const { page } = await open(context, `${deployment.url}/#code=stolen&state=of-another-browser`)
    await page.getByRole("button", { name: /^Sign in with/ }).waitFor()
    assert.strictEqual(new URL(page.url()).hash, "#/")
    await page.getByRole("button", { name: /^Sign in with/ }).click()
    await page.locator("[name=login]").waitFor()
    const before = provider.requests.filter((each) => each.includes("/token")).length
    await page.goto(`${deployment.url}/?code=stolen&state=of-another-browser`)
    await sees(page, /^The login failed:/)
    assert.strictEqual(new URL(page.url()).search, "")
    assert.strictEqual(provider.requests.filter((each) => each.includes("/token")).length, before)
    await context.close()
  })
})
