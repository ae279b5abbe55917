/** The same client with promises: subscribe, and leave the loop to stop. */
import { api, connect } from "@opencode-worker/convex-sync"
import { deploy } from "./deployment.ts"

await using deployment = await deploy()
await using convex = await connect({ url: deployment.url, auth: deployment.token })

try {
  await convex.action(api.pairing.approve, { code: "0000-0000" })
} catch (error) {
  console.log(error instanceof Error ? error.message : error)
}

for await (const workers of convex.subscribe(api.workers.list, {})) {
  console.log(`${workers.length} workers`)
  if (workers.length > 0) break
  const secretHash = "0".repeat(64)
  const { code } = await convex.mutation(api.pairing.begin, { machine: "laptop", directory: "/work", secretHash })
  await convex.action(api.pairing.approve, { code })
}
