/** A page of the console or of OpenCode with a long session: opening it, what it shows, and reading back through it. */
import type { BrowserContext, Page } from "@opencode-worker/harness/browser"
import { round } from "../statistics.ts"
import { mounted, prependPage } from "./inPage.ts"
import { lastText } from "./longSession.ts"
import { countReceived } from "./received.ts"

export const patient = { timeout: 60_000 }

/** The words of an answer that a page shows: in order, each as often as it is there. */
export const shownWords = async (page: Page, name: string): Promise<ReadonlyArray<string>> =>
  (await page.locator("body").innerText()).match(new RegExp(`\\b${name}\\d+\\b`, "g")) ?? []

export const shows = async (page: Page, text: string, limit = patient) => {
  try {
    await page
      .getByText(text)
      .last()
      .waitFor({ state: "visible", ...limit })
  } catch (cause) {
    const shown = (await page.locator("body").innerText()).slice(0, 2_000)
    throw new Error(`The page ${page.url()} does not show ${text}:\n${shown}`, { cause })
  }
}

const measured = (page: Page): Promise<{ readonly rows: number; readonly nodes: number; readonly shift: number }> =>
  page.evaluate(mounted)

/** Opens a page until it shows the newest part, and measures what that took. */
export const openSession = async (context: BrowserContext, url: string) => {
  const page = await context.newPage()
  const received = await countReceived(page)
  const from = performance.now()
  await page.goto(url)
  await shows(page, lastText)
  const shownMs = round(performance.now() - from)
  const { data, scripts } = received
  const { nodes, rows, shift } = await measured(page)
  return { page, rows, figures: { shownMs, scriptBytes: scripts, receivedBytes: data, nodes, layoutShift: shift } }
}

interface Step {
  readonly moved: number
  readonly rows: number
  readonly isAtStart: boolean
}

/** Entries of one page of an outline. */
const pageSize = 100

/** Reads the session back to its first prompt. */
export const readBack = async (page: Page, parts: number) => {
  const steps: Array<Step> = []
  while (steps.at(-1)?.isAtStart !== true) steps.push(await page.evaluate<Step>(prependPage))
  // A row that is gone has moved out of the view.
  const moved = steps.map((step) => (step.moved < 0 ? Number.POSITIVE_INFINITY : step.moved))
  return {
    pages: Math.ceil(parts / pageSize),
    movedPx: Math.round(Math.max(...moved)),
    rows: Math.max(...steps.map(({ rows }) => rows))
  }
}
