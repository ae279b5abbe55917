/** A deployment for one test: empty, on a free port, and removed afterwards. */
import { randomBytes } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { ConvexHttpClient } from "convex/browser"
import { anyApi as api } from "convex/server"

const startConvex = async (functions: string) => {
  const dataDir = await mkdtemp(join(tmpdir(), "convex-"))
  const adminKey = randomBytes(16).toString("hex")
  const deployment = await ConvexEmbedded.make({ adminKey, dataDir, durability: "normal", functions })
  const stop = async () => {
    await deployment.close()
    await rm(dataDir, { force: true, recursive: true })
  }
  return { adminKey, stop, url: deployment.url }
}

const { stop, url } = await startConvex(`${import.meta.dirname}/convex`)
const client = new ConvexHttpClient(url)
await client.mutation(api["tasks"]!["add"]!, { text: "test" })
console.log(`open tasks: ${(await client.query(api["tasks"]!["open"]!, {})).length}`)
await stop()
