/**
 * A WebSocket whose handlers cannot end the process.
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
    }

    // The client sends text and nothing else.
    override send(data: string) {
      onSend(data.length)
      super.send(data)
    }
  }
