/** The same with promises: leaving the loop ends the subscription, leaving the block closes the client. */
import { createConvexClient } from "@opencode-worker/effect-convex/async"
import { api } from "./api.ts"

await using convex = createConvexClient({ url: process.env["CONVEX_URL"] ?? "http://127.0.0.1:3210" })

for await (const messages of convex.subscribe(api.messages.list, {})) {
  console.log(`${messages.length} messages: ${messages.join(", ")}`)
  if (messages.length > 0) break
  await convex.mutation(api.messages.send, { text: "hi" }, { signal: AbortSignal.timeout(10_000) })
}
