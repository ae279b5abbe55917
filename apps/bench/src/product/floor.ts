/**
 * The least that live text costs, in its own process: parses OpenCode's events, and sends the text to the
 * deployment with the Convex client, all sessions in one mutation every 250 ms. The deployment refuses it, because its sender is
 * no worker.
 */
import { ConvexClient } from "convex/browser"
import { anyApi } from "convex/server"
import { listen } from "./opencode.ts"

const [address = "", password = "", directory = "", deployment = ""] = process.argv.slice(2)
const authorization = `Basic ${Buffer.from(`opencode:${password}`).toString("base64")}`
const request = (path: string) =>
  fetch(`${address}${path}?directory=${encodeURIComponent(directory)}`, { headers: { authorization } })
const convex = new ConvexClient(deployment, { logger: false, unsavedChangesWarning: false })

const texts = new Map<string, string>()
let seq = 0
const send = () => {
  if (texts.size === 0) return
  seq++
  const batches = Array.from(texts, ([turnId, text]) => ({
    turnId,
    seq,
    segments: [{ partId: turnId, kind: "text", text }]
  }))
  texts.clear()
  convex.mutation(anyApi["queue"]!["appendDeltas"]!, { batches }).catch(() => undefined)
}

process.on("message", () => {
  const { system, user } = process.cpuUsage()
  process.send?.((system + user) / 1e6)
})
process.on("disconnect", () => process.exit())

await listen({ request }, ({ properties: { delta = "", field, sessionID = "" }, type }) => {
  if (type !== "message.part.delta" || field !== "text") return
  texts.set(sessionID, (texts.get(sessionID) ?? "") + delta)
})
setInterval(send, 250)
process.send?.(0)
