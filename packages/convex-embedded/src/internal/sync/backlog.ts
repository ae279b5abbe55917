/** The pending messages of one connection. Beyond the limits, the socket is paused and further messages stay unread. */
import type { Socket } from "node:net"
import type { WebSocket } from "ws"
import { CHUNK_BYTES, type Connection } from "../access/connections.ts"
import { limits } from "../values/limits.ts"

/** Memory per message in addition to its text. */
const MESSAGE_BYTES = 1024

export class Backlog {
  readonly #socket: WebSocket
  readonly #hold: (bytes: number) => void
  readonly #unreadMessage: () => void
  #messages = 0
  #bytes = 0

  /** `stream`: the TCP socket of the WebSocket. */
  constructor(socket: WebSocket, stream: Socket, connection: Connection) {
    this.#socket = socket
    this.#hold = connection.holder("messages")
    const holdPart = connection.holder("messages")
    let [readBefore, chunks] = [stream.bytesRead, 0]
    // Runs after the WebSocket's own listener, which has consumed complete messages.
    stream.on("data", () => holdPart(stream.bytesRead - readBefore + ++chunks * CHUNK_BYTES))
    this.#unreadMessage = () => {
      readBefore = stream.bytesRead
      chunks = 0
    }
  }

  /** Counts a received message. Returns a function to be called once, when the message is no longer needed. */
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
