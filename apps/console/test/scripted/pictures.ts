/** Writes the pictures of the documentation: the page over a scripted deployment, in the browser of the tests. */
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { launchBrowser } from "@opencode-worker/harness/browser"
import { serveScripted } from "./serve.ts"
import { settled } from "./settled.ts"
import type { makeWorld } from "./world.ts"

/** In the page. */
declare const scripted: ReturnType<typeof makeWorld>

const folder = join(import.meta.dirname, "../../../../docs/pictures")

const phone = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }
const desktop = { viewport: { width: 1280, height: 800 }, deviceScaleFactor: 1.5 }

/** An answer that streams in. */
const running = () => {
  scripted.append("turn3", { partId: "p1", kind: "text", text: "I will run **all tests** of the workspace." })
  scripted.append("turn3", {
    partId: "p2",
    kind: "text",
    text: "The cart passes. The invoice uses the same total, so I will look at it next"
  })
}

interface Picture {
  readonly name: string
  readonly path: string
  readonly shown: string
  readonly screen: typeof phone | typeof desktop
  readonly theme: "light" | "dark"
  readonly prepare?: () => void
}

const session = { path: "#/sessions/session1", shown: "text=The lint error is fixed", prepare: running }
const pictures: ReadonlyArray<Picture> = [
  { name: "inbox-phone-light", path: "#/inbox", shown: "text=pnpm test --filter cart", screen: phone, theme: "light" },
  { name: "request-phone-dark", path: "#/inbox/request3", shown: ".diff", screen: phone, theme: "dark" },
  { name: "session-phone-light", ...session, screen: phone, theme: "light" },
  { name: "machines-phone-dark", path: "#/machines", shown: "text=ci-box", screen: phone, theme: "dark" },
  { name: "session-desktop-light", ...session, screen: desktop, theme: "light" },
  { name: "session-desktop-dark", ...session, screen: desktop, theme: "dark" },
  { name: "inbox-desktop-dark", path: "#/inbox/request3", shown: ".diff", screen: desktop, theme: "dark" }
]

await mkdir(folder, { recursive: true })
await using served = await serveScripted()
await using launched = await launchBrowser()
for (const { name, path, prepare, screen, shown, theme } of pictures) {
  const context = await launched.browser.newContext({ ...screen, colorScheme: theme, reducedMotion: "reduce" })
  const page = await context.newPage()
  await page.goto(`${served.url}/?scenario=picture${path}`)
  await page.locator(shown).first().waitFor({ state: "visible" })
  if (prepare !== undefined) {
    await page.evaluate(prepare)
    await page.getByText("so I will look at it next").waitFor()
  }
  // A request takes no answer before it was visible for a moment.
  const answers = page.getByRole("button", { name: "Allow once" })
  if ((await answers.count()) > 0)
    await page.waitForFunction(() => document.querySelector("button.primary:disabled") === null)
  await settled(page)
  const protocol = await context.newCDPSession(page)
  const { data } = await protocol.send("Page.captureScreenshot", { format: "webp", quality: 82 })
  await writeFile(join(folder, `${name}.webp`), Buffer.from(data, "base64"))
  await context.close()
}
