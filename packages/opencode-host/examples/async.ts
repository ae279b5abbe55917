/** The same with promises: node examples/async.ts "What is in this folder?" */
import { createOpenCodeHost } from "@opencode-worker/opencode-host/async"

await using host = await createOpenCodeHost({ directory: process.cwd() })
const session = await host.client.sessions.create({ title: "Ask" })

for await (const event of host.turn({ sessionId: session.id, text: process.argv[2] ?? "Say hello." })) {
  if (event._tag === "TextDelta") process.stdout.write(event.delta)
  if (event._tag === "ToolUpdated") console.log(`[${event.part.tool}: ${event.part.state.status}]`)
  if (event._tag === "Ended") console.log(`\n${event.outcome}, ${event.usage.output} tokens`)
}
