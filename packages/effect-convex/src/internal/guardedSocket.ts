/**
 * A WebSocket whose handlers cannot end the process, and that always closes after an error.
 *
 * The Convex client throws in `onmessage` if the deployment sends a fatal error or a message that it cannot parse. No
 * caller could catch that exception.
 */

export interface SocketListener {
  /** A handler threw; the socket is closing. The client reconnects, unless the error was fatal for it. */
  readonly onThrow: (cause: unknown) => void
  /** A message of this many characters was sent. */
  readonly onSend: (characters: number) => void
}

/** Milliseconds. A working socket emits `close` immediately after `error`. */
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
      // Some implementations never close a refused socket. The client waits for the close event before it reconnects.
      this.addEventListener("error", () => {
        const timer = setTimeout(() => this.dispatchEvent(new CloseEvent("close", { code: 1006 })), closeDelay)
        timer.unref()
        this.addEventListener("close", () => clearTimeout(timer), { once: true })
      })
    }

    // The client only sends text.
    override send(data: string) {
      onSend(data.length)
      super.send(data)
    }
  }
