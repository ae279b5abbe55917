/** The parts of the web console that the browser runs for it: service worker, push, share target and Trusted Types. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createClient, type PushMessage } from "@opencode-worker/client"
import { consolePage, type Deployment, startDeployment, until } from "@opencode-worker/harness"
import { type BrowserContext, launchBrowser, type Page, type TestBrowser } from "@opencode-worker/harness/browser"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { open, sees } from "./browser.ts"

const folder = mkdtempSync(join(tmpdir(), "console-platform-"))
let launched: TestBrowser
let deployment: Deployment
let context: BrowserContext
let page: Page

beforeAll(async () => {
  ;[launched, deployment] = await Promise.all([launchBrowser(), startDeployment(join(folder, "data"), {}, consolePage)])
  const { token, url } = deployment
  await using client = createClient({ url, auth: token })
  const { code } = await client.devices.add({ name: "browser", scope: "operate" })
  // A machine that is off is enough for the form of a new session.
  await deployment.fill("workers", [
    {
      ownerId: "https://operator.test|operator",
      machine: "studio",
      directory: "/home/ann/shop",
      secretHash: "0".repeat(64),
      approval: "approved",
      epoch: 0
    }
  ])
  const [row = ""] = await deployment.rows("workers")
  const { _id: workerId }: Record<string, unknown> = JSON.parse(row)
  await deployment.fill("presence", [{ workerId, phase: "Stopped", online: false, lastSeenAt: 1 }])
  await deployment.fill("workerLoads", [{ workerId, running: 0, queued: 0 }])
  context = await launched.browser.newContext()
  ;({ page } = await open(context, `${url}/#pair=${code}`))
  await page.getByRole("heading", { name: "Inbox" }).waitFor()
  await page.evaluate(`navigator.serviceWorker.ready.then(() => navigator.serviceWorker.controller ??
    new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true })))
    .then(() => undefined)`)
})
afterAll(async () => {
  await launched[Symbol.asyncDispose]()
  await deployment[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

describe("the page", () => {
  it("lets no script add active content, and has one policy of Trusted Types", async () => {
    const attempts: Record<string, string> = await page.evaluate(`(async () => {
      const attempt = (run) => { try { run(); return "done" } catch ({ name }) { return name } }
      const inline = document.createElement("script")
      return {
        html: attempt(() => { document.querySelector("#root").insertAdjacentHTML("beforeend", "<img src=x onerror='globalThis.wasHacked = 1'>") }),
        otherPolicy: attempt(() => trustedTypes.createPolicy("other", { createHTML: (text) => text })),
        samePolicy: attempt(() => trustedTypes.createPolicy("opencode-worker", { createScriptURL: (text) => text })),
        text: attempt(() => { inline.text = "globalThis.wasHacked = 2"; document.body.append(inline) }),
        // The protocol of the test may run code, so the attempt is in a task of the page.
        code: await new Promise((resolve) =>
          setTimeout(() => resolve(attempt(() => new Function("globalThis.wasHacked = 3")())))),
        hacked: String(globalThis.wasHacked)
      }
    })()`)
    assert.deepStrictEqual(attempts, {
      html: "TypeError",
      otherPolicy: "TypeError",
      // The page has created its own; a second one of the name is refused.
      samePolicy: "TypeError",
      text: "TypeError",
      code: "EvalError",
      hacked: "undefined"
    })
  })

  it("takes text and files that another app shares, and sends nothing before the user starts", async () => {
    const shared = `(async () => {
      const form = new FormData()
      form.set("title", "A bug")
      form.set("text", "The total is wrong")
      form.set("url", "https://example.com/bug")
      form.append("files", new File(["1"], "trace.txt", { type: "text/plain" }))
      const { type } = await fetch("/share", { method: "POST", body: form, redirect: "manual" })
      return type
    })()`
    assert.strictEqual(await page.evaluate(shared), "opaqueredirect")
    await page.goto(`${deployment.url}/#/sessions/new`)
    const prompt = page.getByRole("textbox", { name: "What should the agent do?" })
    await sees(page, "trace.txt")
    assert.strictEqual(await prompt.inputValue(), "A bug\nThe total is wrong\nhttps://example.com/bug")
    assert.isEmpty(await deployment.rows("turns"))
    // It is taken once.
    await page.reload()
    await prompt.waitFor()
    assert.strictEqual(await prompt.inputValue(), "")
  })

  it("shows a push message as a notification, one per session", async () => {
    const protocol = await context.newCDPSession(page)
    const registered = Promise.withResolvers<string>()
    protocol.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const [registration] = registrations
      if (registration !== undefined) registered.resolve(registration.registrationId)
    })
    await protocol.send("ServiceWorker.enable")
    const registrationId = await registered.promise
    const push = (message: Partial<PushMessage>) =>
      protocol.send("ServiceWorker.deliverPushMessage", {
        origin: deployment.url,
        registrationId,
        data: JSON.stringify({
          id: "1-1",
          kind: "asked",
          heading: "An agent waits for you",
          at: Date.now(),
          requestId: "request1",
          sessionId: "session1",
          workerId: "worker1",
          ...message
        })
      })
    const [worker] = context.serviceWorkers()
    if (worker === undefined) throw new Error("There is no service worker")
    // The browser of the test has no notifications: what the worker shows is recorded.
    await worker.evaluate(`globalThis.shown = []; registration.showNotification = (title, options) => {
      shown.push({ title, ...options })
      return Promise.resolve()
    }`)
    await push({ title: "Fix \u202Erounding" })
    await push({ title: "Fix rounding", subject: "bash: pnpm test" })
    await until(async () => (await worker.evaluate("shown.length")) === 2, "two notifications")
    const [hidden, replaced]: ReadonlyArray<Record<string, unknown>> = await worker.evaluate("shown")
    assert.strictEqual(hidden?.["title"], "Fix <U+202E>rounding")
    assert.strictEqual(hidden?.["tag"], replaced?.["tag"])
    assert.deepInclude(replaced, {
      title: "Fix rounding",
      body: "An agent waits for you: bash: pnpm test",
      tag: "session1",
      data: { page: "/#/inbox/request1" }
    })
  })
})
