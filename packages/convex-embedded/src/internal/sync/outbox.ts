/** The outgoing messages of one connection. */
import { randomUUID } from "node:crypto"
import type { Duplex } from "node:stream"
import { WebSocket } from "ws"
import { limits } from "../values/limits.ts"

interface Waiting {
  readonly message: string
  readonly leave: () => void
}

export class Outbox {
  readonly #socket: WebSocket
  readonly #stream: Duplex
  /** Messages that wait while the parts of a transition are sent. If the socket closes meanwhile, they are dropped. */
  #waiting: Array<Waiting> = []
  #waitingBytes = 0
  #inParts = false
  readonly #hold: (bytes: number) => void
  readonly #isChunked: boolean
  #held = 0

  /**
   * `stream`: the TCP socket of the WebSocket; `hold` receives the number of unsent bytes; `isChunked`: whether the client
   * understands a transition in parts.
   */
  constructor(socket: WebSocket, stream: Duplex, hold: (bytes: number) => void, isChunked: boolean) {
    this.#socket = socket
    this.#stream = stream
    this.#hold = hold
    this.#isChunked = isChunked
  }

  /**
   * Settles when the message has left this process, so that updates are sent at the pace of the client. A client with too
   * many unsent bytes does not read, and is disconnected.
   */
  send(message: string): Promise<void> {
    this.#cutOffIfUnread()
    if (!this.#inParts) return this.#count(message, this.#write(message))
    this.#waitingBytes += Buffer.byteLength(message)
    return this.#count(message, new Promise((leave) => this.#waiting.push({ leave, message })))
  }

  /**
   * Sends a large transition in consecutive parts, as Convex does. Each part waits until the previous one has left, so that
   * a connection buffers one part at a time. To be called for one transition at a time.
   */
  async sendTransition(message: string): Promise<void> {
    if (!this.#isChunked || message.length <= limits.transitionCharacters) return this.send(message)
    this.#cutOffIfUnread()
    return this.#count(message, this.#sendParts(message))
  }

  /** Counts a message until it has left or its connection is closed. */
  async #count(message: string, leaving: Promise<void>): Promise<void> {
    const bytes = Buffer.byteLength(message)
    this.#hold((this.#held += bytes))
    await leaving
    this.#hold((this.#held -= bytes))
  }

  async #sendParts(message: string): Promise<void> {
    const transitionId = randomUUID()
    const parts = partsOf(message)
    this.#inParts = true
    for (const [partNumber, chunk] of parts.entries()) {
      const part = { chunk, partNumber, totalParts: parts.length, transitionId, type: "TransitionChunk" }
      await this.#write(JSON.stringify(part))
    }
    this.#inParts = false
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const each of waiting) void this.#write(each.message).then(each.leave)
  }

  #cutOffIfUnread(): void {
    if (this.#socket.bufferedAmount + this.#waitingBytes > limits.unsentBytes) this.#socket.terminate()
  }

  #write(message: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.readyState !== WebSocket.OPEN) return resolve()
      this.#gather()
      this.#socket.send(message, () => resolve())
    })
  }

  /** Combines messages of one tick, such as a response and its transition, into one write. */
  #gather(): void {
    if (this.#stream.writableCorked > 0) return
    this.#stream.cork()
    process.nextTick(() => this.#stream.uncork())
  }
}

/** Splits between characters: half of a surrogate pair cannot be encoded. */
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
