/** Each screen in each state, in a real browser: accessibility, overflow, the content security policy. */
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { launchBrowser, type TestBrowser } from "@opencode-worker/harness/browser"
import type { Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { serveScripted } from "./scripted/serve.ts"

/** The path of each screen, and an element that it has when it is shown. */
const screens: Readonly<Record<string, readonly [path: string, shown: string]>> = {
  inbox: ["#/inbox", "text=pnpm test --filter cart"],
  "inbox, empty": ["?scenario=empty#/inbox", "text=Nothing waits for you"],
  "inbox, loading": ["?scenario=loading#/inbox", ".skeleton"],
  "inbox, failing": ["?scenario=failing#/inbox", ".problem"],
  command: ["#/inbox/request1", ".request-actions"],
  edit: ["#/inbox/request3", ".diff"],
  question: ["#/inbox/request4", ".question"],
  "request, closed": ["#/inbox/unknown", "text=no longer waits"],
  "request, read only": ["?scenario=read&scope=read#/inbox/request1", "text=may not do that"],
  sessions: ["#/sessions", ".items .item"],
  "sessions, empty": ["?scenario=empty#/sessions", "text=No sessions yet"],
  session: ["#/sessions/session1", "text=integers of tenths"],
  "session, failed": ["#/sessions/session3", "text=gave up after 6 tries"],
  "session, unknown": ["#/sessions/unknown", "text=There is no such session"],
  "session, at a turn": ["#/sessions/session1?turn=turn1", ".attachments img"],
  "new session": ["#/sessions/new", "text=What should the agent do?"],
  changes: ["#/sessions/session1/changes/turn1", ".diff"],
  machines: ["#/machines", "text=ci-box"],
  "machines, empty": ["?scenario=empty#/machines", "text=No machines yet"],
  machine: ["#/machines/worker1", "text=typescript"],
  files: ["#/machines/worker1/files", "text=Type a part of a path"],
  file: ["#/machines/worker1/files?path=src%2Fcart%2Ftotal.ts", "text=export const total"],
  diff: ["#/machines/worker1/diff", ".diff"],
  search: ["#/search?q=totals", "mark"],
  "search, nothing": ["#/search?q=nothing", "text=Nothing found"],
  usage: ["#/usage", ".bars"],
  "usage, empty": ["?scenario=empty#/usage", "text=No usage in these days"],
  settings: ["#/settings", "text=every edit in this project"],
  pair: ["?pair=1#/", "text=Pair this device"],
  "pair, login": ["?pair=login#/", "text=Sign in with login.test"]
}

const phone = { width: 390, height: 844 }
const desktop = { width: 1280, height: 800 }
/** The structure is the same in all themes; only colors differ. */
const colors = { runOnly: ["color-contrast"] }
const paned = ["inbox", "edit", "session", "machine", "settings"]
const themes = [
  { name: "phone, light", viewport: phone, colorScheme: "light", contrast: "no-preference", rules: {}, only: null },
  { name: "phone, dark", viewport: phone, colorScheme: "dark", contrast: "no-preference", rules: colors, only: null },
  {
    name: "desktop, light",
    viewport: desktop,
    colorScheme: "light",
    contrast: "no-preference",
    rules: {},
    only: paned
  },
  {
    name: "desktop, dark, high contrast",
    viewport: desktop,
    colorScheme: "dark",
    contrast: "more",
    rules: colors,
    only: paned
  },
  {
    name: "phone, light, high contrast",
    viewport: phone,
    colorScheme: "light",
    contrast: "more",
    rules: colors,
    only: paned
  }
] as const

let served: Awaited<ReturnType<typeof serveScripted>>
let launched: TestBrowser
let axe: string

beforeAll(async () => {
  axe = await readFile(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8")
  ;[served, launched] = await Promise.all([serveScripted(), launchBrowser()])
})
afterAll(async () => {
  await launched[Symbol.asyncDispose]()
  await served[Symbol.asyncDispose]()
})

/** The failures of a page: errors, requests to other hosts, and violations of its policy. */
const watch = async (page: Page): Promise<Array<string>> => {
  const problems: Array<string> = []
  page.on("pageerror", ({ message }) => problems.push(message))
  page.on("dialog", (dialog) => problems.push(`dialog: ${dialog.message()}`))
  page.on("request", (request) => {
    // A picture is a copy of its bytes.
    if (
      !request
        .url()
        .replace(/^blob:/, "")
        .startsWith(served.url)
    )
      problems.push(`request: ${request.url()}`)
  })
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text())
  })
  return problems
}

interface Axe {
  readonly run: (options: object) => Promise<{
    readonly violations: ReadonlyArray<{
      readonly id: string
      readonly nodes: ReadonlyArray<{ readonly html: string; readonly failureSummary: string }>
    }>
  }>
}

const violationsOf = (page: Page, rules: object): Promise<ReadonlyArray<string>> =>
  page.evaluate(async (options) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the script of axe defines it
    const { axe: script } = globalThis as unknown as { readonly axe: Axe }
    const { violations } = await script.run({ resultTypes: ["violations"], ...options })
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ failureSummary, html }) => `${id}: ${html} ${failureSummary}`)
    )
  }, rules)

describe.each(themes)("on a $name screen", ({ colorScheme, contrast, only, rules, viewport }) => {
  it("has no accessibility violations, no overflow and no policy violations", async () => {
    const context = await launched.browser.newContext({ viewport, colorScheme, contrast })
    await context.addInitScript({ content: axe })
    const page = await context.newPage()
    const problems = await watch(page)
    const found: Record<string, ReadonlyArray<string>> = {}
    for (const [name, [path, shown]] of Object.entries(screens)) {
      if (only !== null && !only.some((each) => each === name)) continue
      await page.goto(`${served.url}/${path}`)
      await page.locator(shown).first().waitFor({ state: "visible" })
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      const violations = await violationsOf(page, rules)
      const all = [...violations, ...problems.splice(0), ...(overflow > 0 ? [`overflow: ${overflow} px`] : [])]
      if (all.length > 0) found[name] = all
    }
    await context.close()
    expect(found).toEqual({})
  })
})
