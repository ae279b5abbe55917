/** OpenCode's own SDK on the hosted server, here for the files of the directory: node examples/sdk.ts */
import { createOpenCodeHost } from "@opencode-worker/opencode-host/async"

await using host = await createOpenCodeHost({ directory: process.cwd() })
const { data: files } = await host.sdk.file.list({ path: "." }, { throwOnError: true })

for (const { name, type } of files) console.log(`${type} ${name}`)
