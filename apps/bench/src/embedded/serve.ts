/** The deployment in its own process: `node serve.ts <data folder> <durability>`. Reports its memory on request. */
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"

const [dataDir = "", durability] = process.argv.slice(2)
const deployment = await ConvexEmbedded.make({
  functions: `${import.meta.dirname}/convex`,
  dataDir,
  durability: durability === "normal" ? "normal" : "full"
})
const report = () => process.send?.({ url: deployment.url, rssBytes: process.memoryUsage.rss() })
process.on("message", report)
process.on("disconnect", () => void deployment.close())
report()
