/** Each screen in each state and theme, in a real browser: accessibility, overflow, the content security policy. */
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { launchBrowser, type TestBrowser } from "@opencode-worker/harness/browser"
import type { Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { screens } from "./scripted/screens.ts"
import { serveScripted } from "./scripted/serve.ts"

const phone = { width: 390, height: 844 }
const desktop = { width: 1280, height: 800 }

/** The structure is the same in all themes; only colors differ. */
const allThemes = [
  { colorScheme: "dark", contrast: "more" },
  { colorScheme: "light", contrast: "more" },
  { colorScheme: "dark", contrast: "no-preference" },
  { colorScheme: "light", contrast: "no-preference" }
] as const
/** `pnpm test:full` tries those with more contrast, too. */
const themes = process.env["TEST_FULL"] === undefined ? allThemes.slice(2) : allThemes
const colors = { runOnly: ["color-contrast"] }

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
    const { violations } = await script.run({ resultTypes: ["violations"], preload: false, ...options })
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ failureSummary, html }) => `${id}: ${html} ${failureSummary}`)
    )
  }, rules)

/** The violations of a screen of this size in all themes. */
const inAllThemes = async (page: Page): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  for (const theme of themes) {
    await page.emulateMedia(theme)
    const isLast = theme === themes.at(-1)
    const violations = await violationsOf(page, isLast ? {} : colors)
    found.push(...violations.map((each) => `${theme.colorScheme}, ${theme.contrast}: ${each}`))
  }
  return found
}

/** The panes of a desktop show the same parts side by side. */
const sizes = [
  ...Object.entries(screens).map(([kind, states]) => ({ name: "a phone", viewport: phone, kind, states })),
  { name: "a desktop", viewport: desktop, kind: "loaded", states: screens.loaded }
]

/** A loaded machine needs minutes for all screens. */
const limit = 600_000

describe.each(sizes)("$kind screens on $name", ({ states, viewport }) => {
  it(
    "have no accessibility violations, no overflow and no policy violations in each theme",
    async () => {
      const context = await launched.browser.newContext({ viewport, reducedMotion: "reduce" })
      await context.addInitScript({ content: axe })
      const page = await context.newPage()
      const problems = await watch(page)
      const found: Record<string, ReadonlyArray<string>> = {}
      for (const [name, { path, prepare, shown }] of Object.entries(states)) {
        await page.goto(`${served.url}/${path}`)
        await page.locator(shown).filter({ visible: true }).first().waitFor()
        await prepare?.(page)
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        const all = [
          ...(await inAllThemes(page)),
          ...problems.splice(0),
          ...(overflow > 0 ? [`overflow: ${overflow} px`] : [])
        ]
        if (all.length > 0) found[name] = all
      }
      await context.close()
      expect(found).toEqual({})
    },
    limit
  )
})
