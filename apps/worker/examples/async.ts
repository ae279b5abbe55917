import { createWorker } from "opencode-worker/async"

await using worker = await createWorker({
  url: process.env["CONVEX_URL"] ?? "https://happy-otter-123.convex.cloud",
  directory: process.cwd(),
  onPairingCode: (code) => console.log(`Pairing code: ${code}`)
})
process.once("SIGTERM", () => void worker.stop())
await worker.ready()
console.log("Ready")
const { detail } = await worker.stopped()
console.log(detail)
