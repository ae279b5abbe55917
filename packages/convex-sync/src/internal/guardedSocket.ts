/**
 * A WebSocket whose handlers cannot end the process, and that always closes after an error.
 *
 * The Convex client throws out of `onmessage` when the deployment sends a fatal error or something that it cannot read.
 * Nobody is above it to catch that.
 */

export interface SocketListener {
  /** What a handler threw, once the socket is closing. The client reconnects unless it gave up itself. */
  readonly onThrow: (cause: unknown) => void
  /** The characters of a message that was given to the socket. */
  readonly onSend: (length: number) => void
}

/** Milliseconds. The `close` event of a working socket follows its `error` event at once. */
const closeDelay = 1_000

export const guardedSocket = ({ onSend, onThrow }: SocketListener): typeof WebSocket =>
  class GuardedSocket extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args)
      for (const type of ["open", "message", "error", "close"]) {
        let handler: ((event: Event) => void) | null = null
        Object.defineProperty(this, `on${type}`, {
          set: (next: typeof handler) => {
            handler = next
          }
        })
        this.addEventListener(type, (event) => {
          try {
            handler?.(event)
          } catch (cause) {
            this.close()
            onThrow(cause)
          }
        })
      }
      // Some implementations never close a socket that was refused. The client waits for the close before it reconnects.
      this.addEventListener("error", () => {
        const timer = setTimeout(() => this.dispatchEvent(new CloseEvent("close", { code: 1006 })), closeDelay)
        timer.unref()
        this.addEventListener("close", () => clearTimeout(timer), { once: true })
      })
    }

    // The client sends text and nothing else.
    override send(data: string) {
      onSend(data.length)
      super.send(data)
    }
  }
