/** Calls between two threads, in both directions. An error's class does not cross: see `failureOf` and `revive`. */
import { type FailureJson, failureOf, revive } from "../values/errors.ts"

/** The methods that one side offers to the other. */
export type Api = { readonly [method: string]: (...args: Array<never>) => unknown }

interface Port {
  readonly postMessage: (message: Message) => void
  readonly on: (event: "message", listener: (message: Message) => void) => unknown
}

type Message =
  | { readonly id: number; readonly method: string; readonly args: ReadonlyArray<never> }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: FailureJson }

/** One end of a connection. */
export class Peer<Remote extends Api> {
  readonly #port: Port
  readonly #local: Api
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #calls = 0

  constructor(port: Port, local: Api) {
    this.#port = port
    this.#local = local
    port.on("message", (message) => this.#receive(message))
  }

  /** Settles as the method of the other side, or rejects with the cause of its end. */
  call<M extends keyof Remote & string>(
    method: M,
    ...args: Parameters<Remote[M]>
  ): Promise<Awaited<ReturnType<Remote[M]>>> {
    const id = ++this.#calls
    const answer = Promise.withResolvers<unknown>()
    this.#waiting.set(id, answer)
    try {
      this.#send({ args, id, method })
    } catch (cause) {
      // Arguments that cannot be cloned are not sent, so there will be no answer.
      this.#waiting.delete(id)
      answer.reject(cause)
    }
    return answer.promise as Promise<Awaited<ReturnType<Remote[M]>>>
  }

  /** The other side has ended. */
  end(cause: Error): void {
    for (const { reject } of this.#waiting.values()) reject(cause)
    this.#waiting.clear()
  }

  #receive(message: Message): void {
    if ("method" in message) return void this.#answer(message)
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if ("failure" in message) waiting?.reject(revive(message.failure))
    else waiting?.resolve(message.result)
  }

  async #answer({ args, id, method }: Extract<Message, { method: string }>): Promise<void> {
    try {
      this.#send({ id, result: await this.#local[method]!(...args) })
    } catch (cause) {
      this.#sendFailure(id, cause)
    }
  }

  #sendFailure(id: number, cause: unknown): void {
    try {
      this.#send({ failure: failureOf(cause), id })
    } catch (uncloneable) {
      this.#send({ failure: failureOf(uncloneable), id })
    }
  }

  #send(message: Message): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of Node, not a window
    this.#port.postMessage(message)
  }
}
