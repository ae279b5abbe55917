import { spawn } from "node:child_process"
import { once } from "node:events"
import { openCodeHome, Reply, scriptedProvider } from "@opencode-worker/testkit"

await using provider = await scriptedProvider(({ lastUserText, ordinal }) =>
  Reply.text(`Answer ${ordinal} to ${lastUserText}`, { chunks: 5, every: "20 millis" })
)
await using home = await openCodeHome({ config: provider.config })

await once(
  spawn(process.env["OPENCODE_BIN"] ?? "opencode", ["run", "--title", "Example", "Hello"], {
    cwd: home.directory,
    env: home.environment,
    stdio: ["ignore", "inherit", "inherit"]
  }),
  "exit"
)
console.log(`model requests: ${await provider.count()}`)
