/** The web console in a browser during a soak: a page that stays in one session, and one that goes through all of them. */
import type { Client, SessionId } from "@opencode-worker/client"
import type { Deployment } from "@opencode-worker/harness"
import { launchBrowser } from "@opencode-worker/harness/browser"
import { open } from "../../console/browser.ts"
import { pageMeter, type Sample } from "./plateau.ts"

/** `shown`: the session of the page that stays. The browser is closed with the stack. */
export const openPages = async (stack: AsyncDisposableStack, { url }: Deployment, client: Client, shown: SessionId) => {
  const { browser } = stack.use(await launchBrowser())
  const profile = await browser.newContext({ viewport: { width: 1280, height: 800 } })
  const { code } = await client.devices.add({ name: "browser", scope: "operate" })
  const { page } = await open(profile, `${url}/#pair=${code}`)
  await page.getByRole("heading", { name: "Inbox" }).waitFor()
  const goTo = (sessionId: SessionId) => `${url}/#/sessions/${sessionId}`
  await page.goto(goTo(shown))
  const roaming = await profile.newPage()
  const meters = [await pageMeter("page", page), await pageMeter("roaming", roaming)]
  return {
    page,
    roam: async (sessionId: SessionId) => {
      await roaming.goto(`${url}/#/inbox`)
      await roaming.goto(goTo(sessionId))
    },
    sizes: async (): Promise<Sample> => Object.assign({}, ...(await Promise.all(meters.map((meter) => meter()))))
  }
}
