/** Frames and requests as no Convex client sends them. */
import { once } from "node:events"
import { onTestFinished } from "vitest"
import { WebSocket } from "ws"

export const syncUrl = (url: string, path = "/api/1.48.0/sync"): string => url.replace("http", "ws") + path

/** A connection without a client behind it; it is gone when the test ends. */
export const openSocket = async (url: string, path?: string): Promise<WebSocket> => {
  const socket = new WebSocket(syncUrl(url, path))
  socket.on("error", () => undefined)
  onTestFinished(() => socket.terminate())
  await once(socket, "open")
  return socket
}

export const connectFrame = (sessionId: string = crypto.randomUUID()) => ({
  connectionCount: 0,
  lastCloseReason: null,
  sessionId,
  type: "Connect"
})

interface ServerMessage {
  readonly type: string
  readonly requestId?: number
  readonly success?: boolean
  readonly result?: unknown
  readonly errorData?: unknown
  readonly modifications?: ReadonlyArray<{
    readonly type: string
    readonly queryId: number
    readonly value?: unknown
    readonly journal?: string | null
    readonly errorMessage?: string
  }>
}

/** The first message that fits, from now on. */
export const nextMessage = (socket: WebSocket, fits: (message: ServerMessage) => boolean): Promise<ServerMessage> =>
  new Promise((resolve) => {
    const receive = (data: Buffer) => {
      const message = JSON.parse(data.toString()) as ServerMessage
      if (!fits(message)) return
      socket.off("message", receive)
      resolve(message)
    }
    socket.on("message", receive)
  })

/** Posts a body as it is. */
export const post = async (
  url: string,
  path: string,
  body: string
): Promise<{ readonly status: number; readonly text: string }> => {
  const answer = await fetch(url + path, { body, headers: { "content-type": "application/json" }, method: "POST" })
  return { status: answer.status, text: await answer.text() }
}
