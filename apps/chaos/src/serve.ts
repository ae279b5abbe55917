/** The deployment as a process of its own, to be killed: `node serve.ts <settings as JSON>`. */
import { functionsDir } from "@opencode-worker/convex-backend"
import { type AuthProvider, ConvexEmbedded } from "@opencode-worker/convex-embedded"

export interface Settings {
  readonly dataDir: string
  /** 0: a free one. */
  readonly port: number
  readonly provider: AuthProvider
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it comes from Deployment.ts
const { dataDir, port, provider } = JSON.parse(process.argv[2] ?? "") as Settings
const deployment = await ConvexEmbedded.make({
  functions: functionsDir,
  dataDir,
  port,
  auth: { providers: [provider] }
})
process.once("SIGTERM", () => void deployment.close())
process.stdout.write(`Serving at ${deployment.url}\n`)
