/**
 * The least that a worker's turns cost, in its own process, without anything of ours. Each step does what the one before does, and more:
 *
 * - `read` reads OpenCode's events over `node:http`.
 * - `parse` parses them, and gathers the text of each session.
 * - `send` sends the text to the deployment with the Convex client, all sessions in one mutation every 250 ms.
 * - `turns` sends the requests and the other mutations of each turn.
 *
 * The deployment refuses the mutations, because their sender is no worker. No request changes anything in OpenCode.
 */
import { request as send } from "node:http"
import { ConvexClient } from "convex/browser"
import { anyApi } from "convex/server"
import { floorSteps } from "./floorSteps.ts"
import type { OpenCodeEvent } from "./opencode.ts"

const [address = "", password = "", directory = "", deployment = "", step = ""] = process.argv.slice(2)
const does = (other: (typeof floorSteps)[number]) =>
  floorSteps.findIndex((each) => each === step) >= floorSteps.indexOf(other)

const headers = { authorization: `Basic ${Buffer.from(`opencode:${password}`).toString("base64")}` }
const request = (path: string, onData: (bytes: Buffer) => void) =>
  new Promise<void>((resolve, reject) => {
    const url = `${address}${path}?directory=${encodeURIComponent(directory)}`
    const sent = send(url, { headers }, (response) => {
      if (path === "/event") resolve()
      response.on("data", onData).once("end", resolve)
    })
    sent.once("error", reject).end()
  })
const read: (text: string) => OpenCodeEvent = JSON.parse
const ask = async (path: string) => {
  const chunks: Array<Buffer> = []
  await request(path, (bytes) => chunks.push(bytes))
  read(Buffer.concat(chunks).toString("utf8"))
}

const convex = new ConvexClient(deployment, { disabled: !does("send"), logger: false, unsavedChangesWarning: false })
const call = (name: string, args: object) => {
  convex.mutation(anyApi["queue"]![name]!, args).catch(() => undefined)
}

const texts = new Map<string, string>()
const answers = new Map<string, string>()
let seq = 0
const sendTexts = () => {
  if (texts.size === 0) return
  seq++
  const batches = Array.from(texts, ([turnId, text]) => ({
    turnId,
    seq,
    segments: [{ partId: turnId, kind: "text", text }]
  }))
  texts.clear()
  if (does("send")) call("appendDeltas", { batches })
}

/** What a worker does besides when a turn begins: whether its prompt is stored, twice, the session, the requests; and its claim. */
const begin = async (session: string) => {
  call("claim", { turnId: session, messageId: session, partId: session })
  for (const path of [`/session/${session}`, "/session/status", `/session/${session}`, `/session/${session}`])
    await ask(path)
  call("markDelivered", { turnId: session })
  await Promise.all([ask("/permission"), ask("/question")])
}

const end = async (session: string) => {
  await ask("/session/status")
  await ask(`/session/${session}/message`)
  const payload = JSON.stringify({ text: answers.get(session) ?? "" })
  answers.delete(session)
  call("finish", { turnId: session, outcome: "completed", parts: [{ index: 0, kind: "text", payload }] })
}

const running = new Set<string>()
const onEvent = ({ properties: { delta = "", field, sessionID = "", status }, type }: OpenCodeEvent) => {
  if (type === "message.part.delta" && field === "text") {
    texts.set(sessionID, (texts.get(sessionID) ?? "") + delta)
    if (does("turns")) answers.set(sessionID, (answers.get(sessionID) ?? "") + delta)
  } else if (does("turns") && type === "session.status") {
    if (status?.type === "busy" && !running.has(sessionID)) {
      running.add(sessionID)
      void begin(sessionID)
    } else if (status?.type === "idle" && running.delete(sessionID)) void end(sessionID)
  }
}

process.on("message", () => {
  const { system, user } = process.cpuUsage()
  process.send?.((system + user) / 1e6)
})
process.on("disconnect", () => process.exit())

const decoder = new TextDecoder()
let rest = ""
await request("/event", (bytes) => {
  const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n")
  rest = lines.pop() ?? ""
  if (does("parse")) for (const line of lines) if (line.startsWith("data:")) onEvent(read(line.slice("data:".length)))
})
if (does("send")) setInterval(sendTexts, 250)
process.send?.(0)
