/**
 * The product's deployment in a process of its own: `node serve.ts <settings as JSON>`. Beside it a relay for whoever is to
 * be counted; what it counted is told when asked.
 */
import { functionsDir } from "@opencode-worker/convex-backend"
import { type AuthProvider, ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { openRelay } from "./relay.ts"

export interface Settings {
  readonly dataDir: string
  readonly adminKey: string
  readonly provider: AuthProvider
}

const read: (text: string) => Settings = JSON.parse
const { adminKey, dataDir, provider } = read(process.argv[2] ?? "")
const deployment = await ConvexEmbedded.make({
  functions: functionsDir,
  dataDir,
  adminKey,
  auth: { providers: [provider] }
})
const relay = await openRelay(deployment.url)
process.on("message", () => process.send?.(relay.take()))
process.on("disconnect", () => {
  relay.close()
  void deployment.close()
})
process.send?.({ url: deployment.url, counted: relay.url })
