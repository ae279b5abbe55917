/** A browser at the web console: its steps, and a record of everything that the page requests, logs and violates. */
import { until } from "@opencode-worker/harness"
import type { BrowserContext, Page } from "@opencode-worker/harness/browser"

/** Collected by the page itself, before any of its scripts runs. */
const record = `globalThis.violations = []; document.addEventListener("securitypolicyviolation", (event) =>
  violations.push(event.violatedDirective + " " + event.blockedURI + " " + event.sample))`

export interface Visit {
  readonly page: Page
  readonly requests: ReadonlyArray<string>
  readonly logs: ReadonlyArray<string>
}

const logsOf = new WeakMap<Page, ReadonlyArray<string>>()

/** A loaded machine starts OpenCode slowly. */
const limit = 60_000

export const open = async (context: BrowserContext, url: string): Promise<Visit> => {
  context.setDefaultTimeout(limit)
  await context.addInitScript(record)
  const page = await context.newPage()
  const [requests, logs]: [Array<string>, Array<string>] = [[], []]
  logsOf.set(page, logs)
  // A fragment is not sent.
  context.on("request", (request) => void requests.push(request.url().split("#")[0] ?? ""))
  page.on("websocket", (socket) => void requests.push(socket.url()))
  page.on("console", (message) => void logs.push(`${message.type()}: ${message.text()}`))
  page.on("pageerror", (error) => void logs.push(`error: ${error.stack ?? error.message}`))
  await page.goto(url)
  return { page, requests, logs }
}

/** Follows the main navigation; a phone shows it after a step back. */
export const visit = (page: Page, name: "Inbox" | "Sessions" | "Search"): Promise<void> => {
  const link = page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: new RegExp(`^${name}`) })
  const back = page.getByRole("link", { name: "Back" }).first()
  return insist(
    async () => {
      const next = (await link.isVisible()) ? link : back
      // The page may change between the look and the click.
      await next.click({ timeout: 2000 }).catch(() => undefined)
    },
    () => Promise.resolve(page.url().endsWith(`#/${name.toLowerCase()}`)),
    `the page ${name}`
  )
}

/** Waits for a text. The error shows the page as it is. */
export const sees = async (page: Page, text: string | RegExp): Promise<void> => {
  try {
    await page.getByText(text).last().waitFor({ state: "visible" })
  } catch (cause) {
    const shown = await page.locator("body").innerText()
    throw new Error(`The page ${page.url()} does not show ${text}:\n${shown}\n${logsOf.get(page)?.join("\n")}`, {
      cause
    })
  }
}

export const send = async (page: Page, text: string): Promise<void> => {
  await page.getByRole("textbox", { name: "Prompt" }).fill(text)
  await page.getByRole("button", { name: "Send", exact: true }).click()
}

/** Repeats an action until its effect is seen: the page ignores answers to a request that it has just shown. */
export const insist = (action: () => Promise<unknown>, isDone: () => Promise<boolean>, what: string): Promise<void> =>
  until(async () => {
    if (await isDone()) return true
    await action()
    return isDone()
  }, what)

/** The name of the focused element. */
const focused = async (page: Page): Promise<string> =>
  String(
    await page.evaluate(`(() => {
      const { activeElement: element } = document
      return element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent ?? element.textContent
    })()`)
  )

/** Presses a key until the element of this name has the focus. */
export const reach = (page: Page, key: "Tab" | "Shift+Tab", name: string): Promise<void> =>
  insist(
    () => page.keyboard.press(key),
    async () => (await focused(page)).startsWith(name),
    `the focus to reach ${name}`
  )
