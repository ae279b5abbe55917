/** The deployment in a process of its own, with a relay that counts traffic: `node serve.ts <settings as JSON>`. */
import { functionsDir } from "@opencode-worker/convex-backend"
import { deviceProvider } from "@opencode-worker/convex-backend/functions/deviceProvider"
import { type AuthProvider, ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { openRelay } from "./relay.ts"

export interface Settings {
  readonly dataDir: string
  /** 0: a free port. */
  readonly port: number
  readonly adminKey: string
  readonly provider: AuthProvider
  /** A folder of static files. */
  readonly page?: string
}

const read: (text: string) => Settings = JSON.parse
const { adminKey, dataDir, page, port, provider } = read(process.argv[2] ?? "")
const deployment = await ConvexEmbedded.make({
  functions: functionsDir,
  dataDir,
  port,
  adminKey,
  // A loaded machine takes longer than the second of Convex.
  userTimeLimit: 30_000,
  auth: { providers: [provider, deviceProvider] },
  ...(page !== undefined && {
    assets: { files: page, fallback: "/index.html", immutable: "/assets/", trustedTypes: ["opencode-worker"] }
  })
})
const relay = await openRelay(deployment.url)
process.on("message", () => process.send?.(relay.take()))
const close = async () => {
  relay.close()
  await deployment.close()
  process.exit()
}
process.once("SIGTERM", () => void close())
process.once("disconnect", () => void close())
process.send?.({ url: deployment.url, counted: relay.url })
