/** OpenCode's own SDK on the hosted server, here for the files of the directory: node examples/sdk.ts */
import { openHost } from "@opencode-worker/opencode-host"

await using host = await openHost({ directory: process.cwd() })
const { data: files } = await host.sdk.file.list({ path: "." }, { throwOnError: true })

for (const { name, type } of files) console.log(`${type} ${name}`)
