import { ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { ConvexClient } from "convex/browser"
import { anyApi as api } from "convex/server"

await using deployment = await ConvexEmbedded.make({
  dataDir: process.argv[2] ?? "./data",
  functions: `${import.meta.dirname}/convex`
})

const client = new ConvexClient(deployment.url)
const seen = new Promise<void>((resolve, reject) => {
  const show = (tasks: ReadonlyArray<{ readonly text: string }>) => {
    console.log(`open tasks: ${tasks.map((task) => task.text).join(", ") || "none"}`)
    if (tasks.length === 2) resolve()
  }
  client.onUpdate(api["tasks"]!["open"]!, {}, show, reject)
})
await client.mutation(api["tasks"]!["add"]!, { text: "write" })
await client.mutation(api["tasks"]!["add"]!, { text: "test" })
await seen
await client.close()
