/** Asks OpenCode about a directory, and asks you before each tool call: `npm start "Which tests are slow?" ~/code/my-app` */
import { createInterface } from "node:readline/promises"
import { createOpenCodeHost } from "@opencode-worker/opencode-host/async"

const [text = "Describe the files of this directory.", directory = process.cwd()] = process.argv.slice(2)
const terminal = createInterface({ input: process.stdin, output: process.stderr })

await using host = await createOpenCodeHost({ directory, alwaysAsk: true })
const session = await host.client.sessions.create({ title: text.slice(0, 60) })

for await (const event of host.turn({ sessionId: session.id, text })) {
  if (event._tag === "TextDelta") process.stdout.write(event.delta)
  if (event._tag === "Ended") console.log(`\n${event.outcome}, ${event.usage.output} tokens`)
  if (event._tag !== "RequestOpened") continue
  const { request } = event
  if (request.kind === "question") {
    await host.reply(request, { type: "dismiss" })
  } else {
    const answer = await terminal.question(`Allow ${JSON.stringify(request.call ?? request.permission)}? [y/N] `)
    const refusal = { type: "reject", message: "The user refuses this call." } as const
    await host.reply(request, answer === "y" ? { type: "once" } : refusal)
  }
}
terminal.close()
