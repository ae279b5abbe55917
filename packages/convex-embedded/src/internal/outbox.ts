/** What leaves over one connection. */
import { randomUUID } from "node:crypto"
import type { Duplex } from "node:stream"
import { WebSocket } from "ws"
import { limits } from "./limits.ts"

export class Outbox {
  readonly #socket: WebSocket
  readonly #stream: Duplex

  /** `stream` is what the socket writes to. */
  constructor(socket: WebSocket, stream: Duplex) {
    this.#socket = socket
    this.#stream = stream
  }

  /**
   * Settles when the message has left this process: the socket's pace is the pace of the updates. A client that lets
   * too much pile up does not read, and is cut off.
   */
  send(message: string): Promise<void> {
    if (this.#socket.bufferedAmount > limits.unsentBytes) this.#socket.terminate()
    return new Promise((resolve) => {
      if (this.#socket.readyState !== WebSocket.OPEN) return resolve()
      this.#gather()
      this.#socket.send(message, () => resolve())
    })
  }

  /** What is sent at once, as a response and the transition that it waits for, leaves in one write. */
  #gather(): void {
    if (this.#stream.writableCorked > 0) return
    this.#stream.cork()
    process.nextTick(() => this.#stream.uncork())
  }

  /** A large one goes in parts, as Convex sends it, with nothing between them. */
  async sendTransition(message: string): Promise<void> {
    if (message.length <= limits.transitionCharacters) return this.send(message)
    const transitionId = randomUUID()
    const parts = partsOf(message)
    const sent = parts.map((chunk, partNumber) =>
      this.send(JSON.stringify({ chunk, partNumber, totalParts: parts.length, transitionId, type: "TransitionChunk" }))
    )
    await Promise.all(sent)
  }
}

/** Cut between characters: half of a surrogate pair cannot be sent. */
const partsOf = (message: string): ReadonlyArray<string> => {
  const parts: Array<string> = []
  for (let from = 0; from < message.length;) {
    let to = Math.min(from + limits.transitionCharacters, message.length)
    if (/[\uD800-\uDBFF]/.test(message[to - 1]!)) to--
    parts.push(message.slice(from, to))
    from = to
  }
  return parts
}
