/** A page of the console in a real browser, over a scripted deployment. */
import { launchBrowser, type TestBrowser } from "@opencode-worker/harness/browser"
import type { Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest"
import { serveScripted } from "./serve.ts"

/** Two busy cores need seconds for a frame. */
export const patient = { timeout: 30_000 }

/** One browser for a file, and a page of a phone's size for each test, which fails if the page reports an error or opens a dialog. */
export const usePage = (use: (page: Page) => void) => {
  let served: Awaited<ReturnType<typeof serveScripted>>
  let launched: TestBrowser
  let page: Page
  /** The URLs that the page of the test has requested. */
  const requested: Array<string> = []
  const failures: Array<string> = []

  beforeAll(async () => {
    ;[served, launched] = await Promise.all([serveScripted(), launchBrowser()])
  })
  afterAll(async () => {
    await launched[Symbol.asyncDispose]()
    await served[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    page = await launched.browser.newPage({ viewport: { width: 390, height: 844 } })
    requested.length = 0
    failures.length = 0
    page.on("request", (request) => requested.push(request.url()))
    page.on("pageerror", ({ message }) => failures.push(message))
    page.on("dialog", (dialog) => failures.push(dialog.message()))
    page.on("console", (message) => {
      if (message.type() === "error") failures.push(message.text())
    })
    use(page)
  })
  afterEach(async () => {
    await page.close()
    if (failures.length > 0) throw new Error(failures.join("\n"))
  })

  const open = async (path: string, shown: string) => {
    await page.goto(`${served.url}/${path}`)
    await page.locator(shown).first().waitFor({ state: "visible" })
  }
  return { open, requested }
}
