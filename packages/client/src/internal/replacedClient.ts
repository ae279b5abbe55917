/** A Convex client that is replaced when the deployment ended it with a fatal error. */
import type { ConvexClient } from "convex/browser"
import { ClientError } from "../ClientError.ts"

/** Milliseconds before a replacement: a deployment that ends every client must not be called in a hot loop. */
const replaceDelay = 2_000

type Fail = (error: ClientError) => void

export class ReplacedClient {
  readonly #make: (onFatal: (message: string) => void) => ConvexClient
  /** Calls without a response, and subscriptions. */
  readonly #calls = new Set<Fail>()
  readonly #subscriptions = new Map<(client: ConvexClient) => void, Fail>()
  #client: ConvexClient
  /** Between two clients. */
  #next: PromiseWithResolvers<void> | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #closed: ClientError | undefined

  constructor(make: (onFatal: (message: string) => void) => ConvexClient) {
    this.#make = make
    this.#client = this.#start()
  }

  get isConnected(): boolean {
    return this.#client.connectionState().isWebSocketConnected
  }

  /** Runs a call with the client of now, or waits for the next one. Rejects if its client ends before the response. */
  async run<A>(start: (client: ConvexClient) => Promise<A>): Promise<A> {
    // A closed client never responds.
    if (this.#closed !== undefined) throw this.#closed
    const failed = Promise.withResolvers<never>()
    this.#calls.add(failed.reject)
    try {
      await Promise.race([this.#next?.promise, failed.promise])
      return await Promise.race([start(this.#client), failed.promise])
    } finally {
      this.#calls.delete(failed.reject)
    }
  }

  /** Calls `register` with the client of now and with each later one, until the returned function is called. */
  withEach(register: (client: ConvexClient) => () => void, onClosed: Fail): () => void {
    if (this.#closed !== undefined) {
      onClosed(this.#closed)
      return () => undefined
    }
    let unregister: (() => void) | undefined
    const registerWith = (client: ConvexClient) => {
      unregister = register(client)
    }
    this.#subscriptions.set(registerWith, onClosed)
    if (this.#next === undefined) registerWith(this.#client)
    return () => {
      if (this.#subscriptions.delete(registerWith) && !this.#client.closed) unregister?.()
    }
  }

  async close(): Promise<void> {
    const error = new ClientError("connect", { _tag: "Closed", message: "The client is closed." })
    this.#closed ??= error
    clearTimeout(this.#timer)
    const waiting = [...this.#calls, ...this.#subscriptions.values()]
    this.#subscriptions.clear()
    for (const fail of waiting) fail(error)
    if (!this.#client.closed) await this.#client.close()
  }

  #start(): ConvexClient {
    const client = this.#make((message) => {
      if (client === this.#client && !client.closed) this.#replace(message)
    })
    return client
  }

  #replace(message: string): void {
    this.#next = Promise.withResolvers()
    void this.#client.close()
    for (const fail of this.#calls) fail(new ClientError("connect", { _tag: "Unreachable", message }))
    this.#timer = setTimeout(() => {
      this.#client = this.#start()
      this.#next?.resolve()
      this.#next = undefined
      for (const register of this.#subscriptions.keys()) register(this.#client)
    }, replaceDelay)
  }
}
