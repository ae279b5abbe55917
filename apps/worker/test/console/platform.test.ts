/** The parts of the web console that the browser runs for it: service worker, push, share target and Trusted Types. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createClient, type PushMessage } from "@opencode-worker/client"
import { consolePage, type Deployment, startDeployment, until } from "@opencode-worker/harness"
import { type BrowserContext, launchBrowser, type Page, type TestBrowser } from "@opencode-worker/harness/browser"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { open, sees } from "./browser.ts"
import { fakePush } from "./push.ts"

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

  it("leads to the page of a notification that was tapped", async () => {
    const [worker] = context.serviceWorkers()
    if (worker === undefined) throw new Error("There is no service worker")
    await page.goto(`${deployment.url}/#/machines`)
    // A browser sends it after a tap; an event of a script may not extend the life of the worker.
    const tap = (data: string) =>
      worker.evaluate(`new Promise((resolve, reject) => {
        const event = new ExtendableEvent("notificationclick")
        const isClosed = []
        Object.defineProperties(event, {
          notification: { value: { data: ${data}, close: () => isClosed.push(true) } },
          waitUntil: { value: (work) => work.then(() => resolve(isClosed.length), reject) }
        })
        dispatchEvent(event)
      })`)
    assert.strictEqual(await tap(`{ page: "/#/inbox/request1" }`), 1)
    await page.waitForURL(/#\/inbox\/request1$/)
    // A page of another origin is not one of a notification.
    await tap(`{ page: "https://elsewhere.test/" }`)
    await page.waitForURL(/#\/inbox$/)
    assert.strictEqual(new URL(page.url()).origin, deployment.url)
  })
})

const toggle = () => page.getByRole("checkbox", { name: "Notify this browser" })
const targets = async () =>
  (await deployment.rows("notifyTargets")).map((row): Record<string, unknown> => JSON.parse(row))
/** Opens the settings in a browser with this state. */
const settings = async (state: object = {}) => {
  await page.goto("about:blank")
  await page.goto(`${deployment.url}/#/settings`)
  await page.evaluate(`Object.assign(push, ${JSON.stringify(state)}); dispatchEvent(new Event("focus"))`)
  await page.getByRole("heading", { name: "Notifications" }).waitFor()
}

describe("notifications of this browser", () => {
  beforeAll(async () => {
    await context.addInitScript(fakePush())
  })

  it("are subscribed with the key of the deployment, renewed with what was chosen, and ended", async () => {
    await settings()
    await toggle().check()
    await until(async () => (await targets()).length === 1, "the subscription")
    const [target] = await targets()
    assert.deepInclude(target, { kind: "push", url: "https://push.test/subscription/1", content: false })
    const { token, url } = deployment
    await using client = createClient({ url, auth: token })
    const key = await client.notifications.pushKey()
    assert.deepStrictEqual(await page.evaluate("push.subscribed"), [
      { userVisibleOnly: true, key: [...Buffer.from(key, "base64url")] }
    ])

    await page.getByRole("checkbox", { name: "Show titles and subjects" }).check()
    await until(async () => (await targets())[0]?.["content"] === true, "the content to be chosen")
    assert.strictEqual(await page.evaluate("push.subscribed.length"), 1)

    // A subscription with the key of another deployment is replaced.
    await page.evaluate("push.subscription.options.applicationServerKey = new Uint8Array(65).buffer")
    await page.getByRole("checkbox", { name: "Show titles and subjects" }).uncheck()
    await until(async () => (await page.evaluate("push.subscribed.length")) === 2, "another subscription")
    await until(async () => (await targets())[0]?.["content"] === false, "the content to be dropped")

    await toggle().uncheck()
    await until(async () => (await targets()).length === 0, "the end of the subscription")
    await until(() => page.evaluate<boolean>("push.subscription === null"), "the browser to end it")
  })

  it("show in words why they are not there: blocked, not allowed, failed, or not supported", async () => {
    await settings({ permission: "denied" })
    await sees(page, /^This browser blocks notifications/)
    assert.strictEqual(await toggle().count(), 0)

    await settings({ answer: "default" })
    await toggle().click()
    await sees(page, /^The browser was not allowed/)
    await until(async () => !(await toggle().isChecked()), "the box to be empty")

    await settings({ answer: "denied" })
    await toggle().click()
    await sees(page, /^This browser blocks notifications/)

    await settings({ failure: "Registration failed" })
    await toggle().click()
    await sees(page, "The browser did not subscribe: Registration failed")
    await until(async () => !(await toggle().isChecked()), "the box to be empty")
    assert.isEmpty(await targets())

    await settings()
    await page.evaluate(`delete globalThis.PushManager; dispatchEvent(new Event("focus"))`)
    await sees(page, /^This browser cannot receive notifications/)
  })
})
