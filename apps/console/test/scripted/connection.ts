/** A connection of packages/client to a deployment that is scripted in the page: no server takes part. */
import type { makeClient } from "@opencode-worker/client"
import { ClientError } from "@opencode-worker/client"
import { getFunctionName } from "convex/server"

type Connection = Parameters<typeof makeClient>[0]

/** Functions by their names, such as `inbox:list`. One that throws is a refused call, one that returns `pending` never responds. */
// oxlint-disable-next-line typescript/no-explicit-any -- the script stands for the deployment, which checks arguments
export type Functions = Readonly<Record<string, (args: any) => unknown>>

export const pending = Symbol("pending")

/** Thrown by a scripted function: the deployment refuses with a code. */
export class Refusal extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

export class Script {
  readonly #functions: Functions
  readonly #watchers = new Set<() => void>()
  readonly #statusWatchers = new Set<(isConnected: boolean) => void>()
  readonly #whenBack = new Set<() => void>()
  #isConnected = true
  /** Names and arguments of all mutations and actions, for assertions. */
  readonly calls: Array<{ readonly name: string; readonly args: unknown }> = []
  /** Bytes of JSON that the page has received. */
  received = 0

  constructor(functions: Functions) {
    this.#functions = functions
  }

  /** The state of the script has changed: subscriptions read it again. */
  changed(): void {
    for (const update of this.#watchers) update()
  }

  setConnected(isConnected: boolean): void {
    this.#isConnected = isConnected
    for (const report of this.#statusWatchers) report(isConnected)
    if (!isConnected) return
    for (const resume of this.#whenBack) resume()
    this.#whenBack.clear()
    this.changed()
  }

  #respond(name: string, args: unknown): unknown {
    const run = this.#functions[name]
    if (run === undefined) throw new ClientError(name, { _tag: "FunctionFailed", message: `${name} is not scripted` })
    try {
      const value = run(args)
      if (value !== pending) this.received += JSON.stringify(value ?? null).length
      return value
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause
      const { code, message } = cause
      throw new ClientError(name, { _tag: "Rejected", code, message, data: null })
    }
  }

  async #call(reference: Parameters<typeof getFunctionName>[0], args: unknown): Promise<never> {
    const name = getFunctionName(reference)
    // oxlint-disable-next-line promise/avoid-new -- it waits for the connection
    if (!this.#isConnected) await new Promise<void>((resolve) => this.#whenBack.add(resolve))
    await Promise.resolve()
    const value = this.#respond(name, args)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the script returns what the function does
    return value === pending ? new Promise<never>(() => undefined) : (structuredClone(value) as never)
  }

  readonly connection: Connection = {
    query: (reference, args) => this.#call(reference, args),
    mutation: (reference, args) => {
      this.calls.push({ name: getFunctionName(reference), args })
      return this.#call(reference, args)
    },
    action: (reference, args) => {
      this.calls.push({ name: getFunctionName(reference), args })
      return this.#call(reference, args)
    },
    subscribe: (reference, args, onValue, onError) => {
      const name = getFunctionName(reference)
      let last: string | undefined
      let isOver = false
      const update = () => {
        if (isOver || !this.#isConnected) return
        try {
          const value = this.#respond(name, args)
          if (value === pending) return
          const json = JSON.stringify(value)
          if (json === last) return
          last = json
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the script returns what the function does
          onValue(structuredClone(value) as never)
        } catch (error) {
          onError(error)
        }
      }
      this.#watchers.add(update)
      queueMicrotask(update)
      return () => {
        isOver = true
        this.#watchers.delete(update)
      }
    },
    watchStatus: (onChange) => {
      onChange(this.#isConnected)
      this.#statusWatchers.add(onChange)
      return () => this.#statusWatchers.delete(onChange)
    },
    [Symbol.asyncDispose]: () => Promise.resolve()
  }
}
