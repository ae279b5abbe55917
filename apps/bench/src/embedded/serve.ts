/** The deployment in its own process: `node serve.ts <data folder> <durability>`. Reports its memory and processor time on request. */
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"

const [dataDir = "", durability] = process.argv.slice(2)
const deployment = await ConvexEmbedded.make({
  functions: `${import.meta.dirname}/convex`,
  dataDir,
  durability: durability === "normal" ? "normal" : "full"
})
const report = () => {
  const { system, user } = process.cpuUsage()
  process.send?.({ cpuMs: (system + user) / 1000, rssBytes: process.memoryUsage.rss(), url: deployment.url })
}
process.on("message", report)
process.on("disconnect", () => void deployment.close())
report()
