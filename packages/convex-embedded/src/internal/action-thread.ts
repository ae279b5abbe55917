/**
 * A thread of actions, from outside. While one of them computes without a pause, new ones get another thread; when it
 * does not come to an end, its thread is ended with all that are in it.
 */
import type { ActionHost, ActionsApi, HttpCall } from "./actions.ts"
import { type Call, type Run } from "./calls.ts"
import type { Executor, HttpSink } from "./executor.ts"
import type { ModuleList } from "./modules.ts"
import { Pulse } from "./pulse.ts"
import { startThread, type Thread, ThreadEnded } from "./thread.ts"

/** An action may compute for so long without awaiting anything: the others in its thread wait meanwhile. */
const HELD_MILLIS = 5000
const CHECK_MILLIS = 500

/** A thread that shows nothing for so long takes no new actions: they would wait. */
const BUSY_MILLIS = 1000

export class ActionThread {
  readonly #thread: Thread<ActionsApi>
  readonly #sinks = new Map<number, HttpSink>()
  readonly #pulse: Pulse
  #check: NodeJS.Timeout | undefined
  #running = 0
  #requests = 0
  #retired = false

  constructor(executor: Executor, modules: ModuleList) {
    const memory = Pulse.memory()
    this.#pulse = new Pulse(memory)
    const host: ActionHost = {
      action: (call) => executor.action(call),
      chunk: (request, bytes) => this.#sink(request).chunk(bytes),
      head: async (request, status, headers) => this.#sink(request).head(status, headers),
      mutation: (call) => executor.mutation(call, null),
      query: (call) => executor.query(call),
      readFile: (id) => executor.perform("readFile", id),
      storeFile: (content, sha256) => executor.perform("storeFile", content, sha256),
      syscall: (operation, argument) => executor.perform("syscall", operation, argument)
    }
    this.#thread = startThread({ kind: "actions", modules, pulse: memory }, host)
  }

  hasEnded(): boolean {
    return this.#thread.hasEnded()
  }

  /** Whether it takes new actions. */
  isOpen(): boolean {
    return !this.#retired && !this.hasEnded() && this.#pulse.read().heldMillis < BUSY_MILLIS
  }

  run(path: string, call: Call): Promise<Run> {
    return this.#track(() => this.#thread.peer.call("run", path, call))
  }

  /** Whether there is a route for it. */
  async http(call: HttpCall, sink: HttpSink): Promise<boolean> {
    const request = ++this.#requests
    this.#sinks.set(request, sink)
    try {
      return await this.#track(() => this.#thread.peer.call("http", request, call))
    } finally {
      this.#sinks.delete(request)
    }
  }

  /** Ends it when what runs has ended. */
  retire(): void {
    this.#retired = true
    if (this.#running === 0) void this.close()
  }

  close(): Promise<void> {
    return this.#thread.end(new ThreadEnded("the deployment is closed"))
  }

  #sink(request: number): HttpSink {
    const sink = this.#sinks.get(request)
    if (sink === undefined) throw new Error("The request is gone.")
    return sink
  }

  async #track<A>(run: () => Promise<A>): Promise<A> {
    this.#running++
    this.#check ??= setInterval(() => this.#endIfStuck(), CHECK_MILLIS)
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

  #endIfStuck(): void {
    if (this.#pulse.read().heldMillis < HELD_MILLIS) return
    void this.#thread.end(new ThreadEnded(`an action computed for ${HELD_MILLIS / 1000} s without a pause`))
  }
}
