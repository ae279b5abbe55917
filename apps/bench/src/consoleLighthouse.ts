/** Lighthouse of the web console on a phone: the first visit, which shows the page to pair, and the inbox of a paired browser. */
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { consolePage, startDeployment } from "@opencode-worker/harness"
import { launchBrowser, sharedProfile } from "@opencode-worker/harness/browser"
import { lighthouse } from "./page/lighthouse.ts"
import { connectTo } from "./product/operator.ts"
import type { Line } from "./report.ts"

const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a server that listens on a port
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

export async function* consoleLighthouse(quick: boolean): AsyncGenerator<Line> {
  const runs = quick ? 1 : 5
  const folder = await mkdtemp(join(tmpdir(), "console-lighthouse-"))
  try {
    await using deployed = await startDeployment(join(folder, "deployment"), {}, consolePage)
    await using client = connectTo(deployed)
    const port = await freePort()
    await using launched = await launchBrowser({ port })
    void launched
    const measure = async (page: string, hash: string, isReturning: boolean): Promise<Line> => {
      const scores = await lighthouse({ port, url: deployed.url + hash, name: page, isReturning }, runs)
      return { bench: "console", case: "lighthouse", page, runs, ...scores }
    }
    yield await measure("pair", "/", false)
    const { code } = await client.devices.add({ name: "bench", scope: "operate" })
    const context = await sharedProfile(port)
    const page = await context.newPage()
    await page.goto(`${deployed.url}/#pair=${code}`)
    await page.getByRole("heading", { name: "Inbox" }).waitFor()
    await page.close()
    yield await measure("inbox", "/#/inbox", true)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
