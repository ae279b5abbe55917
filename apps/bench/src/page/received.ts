/** Counts what a page receives, by the protocol of the browser. */
import type { Page } from "@opencode-worker/harness/browser"

export interface Received {
  /** JavaScript, compressed as it was sent. */
  scripts: number
  /** Data: responses of `fetch`, event streams, and messages of WebSockets. */
  data: number
}

export const countReceived = async (page: Page): Promise<Received> => {
  const received: Received = { scripts: 0, data: 0 }
  const session = await page.context().newCDPSession(page)
  const types = new Map<string, string>()
  session.on("Network.responseReceived", ({ requestId, type }) => void types.set(requestId, type))
  session.on("Network.dataReceived", ({ encodedDataLength, requestId }) => {
    const type = types.get(requestId)
    if (type === "Script") received.scripts += encodedDataLength
    if (type === "Fetch" || type === "XHR" || type === "EventSource") received.data += encodedDataLength
  })
  session.on("Network.webSocketFrameReceived", ({ response }) => {
    received.data += Buffer.byteLength(response.payloadData)
  })
  await session.send("Network.enable")
  return received
}
