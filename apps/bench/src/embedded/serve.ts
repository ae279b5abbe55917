/** The deployment in a process of its own: `node serve.ts <data folder> <durability>`; says its memory when asked. */
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"

const [dataDir = "", durability] = process.argv.slice(2)
const deployment = await ConvexEmbedded.make({
  functions: `${import.meta.dirname}/convex`,
  dataDir,
  durability: durability === "normal" ? "normal" : "full"
})
const tell = () => process.send?.({ url: deployment.url, rssBytes: process.memoryUsage.rss() })
process.on("message", tell)
process.on("disconnect", () => void deployment.close())
tell()
