/** What one connection has sent and waits for. When it is too much, what the connection sends meanwhile stays unread. */
import type { Socket } from "node:net"
import type { WebSocket } from "ws"
import type { Connection } from "./connections.ts"
import { CHUNK_BYTES } from "./http.ts"
import { limits } from "./limits.ts"

/** What a message takes beside its text. */
const MESSAGE_BYTES = 1024

export class Backlog {
  readonly #socket: WebSocket
  readonly #hold: (bytes: number) => void
  readonly #unreadMessage: () => void
  #messages = 0
  #bytes = 0

  /** `stream`: what the socket reads from. */
  constructor(socket: WebSocket, stream: Socket, connection: Connection) {
    this.#socket = socket
    this.#hold = connection.holder("messages")
    const holdPart = connection.holder("messages")
    let [readBefore, chunks] = [stream.bytesRead, 0]
    // After the listener of the socket, which has taken the messages that are complete.
    stream.on("data", () => holdPart(stream.bytesRead - readBefore + ++chunks * CHUNK_BYTES))
    this.#unreadMessage = () => {
      readBefore = stream.bytesRead
      chunks = 0
    }
  }

  /** A message of so many bytes has arrived. The result is called once, when nothing of it is needed any longer. */
  take(bytes: number): () => void {
    this.#unreadMessage()
    this.#change(1, bytes + MESSAGE_BYTES)
    return () => this.#change(-1, -bytes - MESSAGE_BYTES)
  }

  #change(messages: number, bytes: number): void {
    this.#messages += messages
    this.#bytes += bytes
    this.#hold(this.#bytes)
    const isFull = this.#messages >= limits.waitingCalls || this.#bytes > limits.waitingBytes
    if (isFull === this.#socket.isPaused) return
    if (isFull) this.#socket.pause()
    else this.#socket.resume()
  }
}
