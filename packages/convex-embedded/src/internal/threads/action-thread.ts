/**
 * Supervises a thread of actions. While an action computes without a pause, new actions start in another thread; if it
 * does not finish, its thread is terminated together with all actions in it.
 */
import { WatchdogState } from "../engine/watchdog-state.ts"
import type { ModuleList } from "../functions/modules.ts"
import type { Call, Run } from "../values/calls.ts"
import type { ActionHost, ActionsApi, HttpCall } from "./actions.ts"
import { isHung } from "./hung.ts"
import { startThread, type Thread, ThreadEnded } from "./thread.ts"

/** The longest that an action may compute without awaiting: the others in its thread wait meanwhile. */
const HUNG_MILLIS = 5000
const CHECK_MILLIS = 500

/** A thread whose event loop has not run for this time takes no new actions. */
const BUSY_MILLIS = 1000

/** Receives the parts of the response of an HTTP action. */
export interface HttpSink {
  readonly head: (status: number, headers: ReadonlyArray<[string, string]>) => void
  /** Settles when the next chunk may be sent. */
  readonly chunk: (bytes: Uint8Array) => Promise<void>
}

export class ActionThread {
  readonly #thread: Thread<ActionsApi>
  readonly #sinks = new Map<number, HttpSink>()
  readonly #watchdog: WatchdogState
  #check: NodeJS.Timeout | undefined
  #running = 0
  #requests = 0
  #retired = false

  constructor(host: Omit<ActionHost, "chunk" | "head">, modules: ModuleList, origin: string) {
    const memory = WatchdogState.memory()
    this.#watchdog = new WatchdogState(memory)
    this.#thread = startThread(
      { kind: "actions", modules, origin, watchdog: memory },
      {
        ...host,
        chunk: (request: number, bytes: Uint8Array) => this.#sink(request).chunk(bytes),
        head: (request: number, status: number, headers: ReadonlyArray<[string, string]>) =>
          this.#sink(request).head(status, headers)
      }
    )
  }

  hasEnded(): boolean {
    return this.#thread.hasEnded()
  }

  /** Whether it takes new actions. */
  isOpen(): boolean {
    return !this.#retired && !this.hasEnded() && this.#watchdog.read().busyMillis < BUSY_MILLIS
  }

  run(path: string, call: Call): Promise<Run> {
    return this.#track(() => this.#thread.peer.call("run", path, call))
  }

  /** Returns whether there is a route. */
  async http(call: HttpCall, sink: HttpSink): Promise<boolean> {
    const request = ++this.#requests
    this.#sinks.set(request, sink)
    try {
      return await this.#track(() => this.#thread.peer.call("http", request, call))
    } finally {
      this.#sinks.delete(request)
    }
  }

  /** Takes no new actions, and ends with the last running one. */
  retire(): void {
    this.#retired = true
    if (this.#running === 0) void this.close()
  }

  close(): Promise<void> {
    return this.#thread.end(new ThreadEnded("the deployment is closed"))
  }

  #sink(request: number): HttpSink {
    const sink = this.#sinks.get(request)
    if (sink === undefined) throw new Error("The request has ended.")
    return sink
  }

  async #track<A>(run: () => Promise<A>): Promise<A> {
    this.#running++
    this.#check ??= setInterval(() => void this.#endIfHung(), CHECK_MILLIS)
    try {
      return await run()
    } finally {
      if (--this.#running === 0) {
        clearInterval(this.#check)
        this.#check = undefined
        if (this.#retired) await this.close()
      }
    }
  }

  async #endIfHung(): Promise<void> {
    const reading = this.#watchdog.read()
    const waited = reading.busyMillis
    if (waited < HUNG_MILLIS || !(await isHung(this.#thread, reading, { limit: HUNG_MILLIS, waited }))) return
    if (this.#watchdog.read().busyMillis < HUNG_MILLIS) return
    await this.#thread.end(new ThreadEnded(`an action computed for ${HUNG_MILLIS / 1000} s without a pause`))
  }
}
