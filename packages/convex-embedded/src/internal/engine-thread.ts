/**
 * The thread with the store, from outside: gives it one request at a time, and replaces it when it is stuck.
 *
 * Invariants
 * - A request that was begun is never given to another thread by itself: what ended one would end the next one too. SQLite
 *   has undone what it had not committed.
 * - A request that was not begun, because something that an earlier one left behind holds the thread, is.
 * - After the disk has failed, nothing is asked of the thread any more, nor of one that would follow it.
 */
import type { Commit } from "./calls.ts"
import type { Answer, EngineThreadApi } from "./convex-thread.ts"
import type { EngineApi, EngineSettings, FunctionsInfo } from "./engine-api.ts"
import { ConvexEmbeddedError } from "../ConvexEmbeddedError.ts"
import { failureOf, RemoteFailure, timedOut } from "./errors.ts"
import type { ModuleList } from "./modules.ts"
import { Pulse } from "./pulse.ts"
import { startThread, type Thread, ThreadEnded } from "./thread.ts"

/** What a function gets beyond its time before its thread is ended: a thread that is not stuck ends it sooner. */
const GRACE_MILLIS = 250

/** Loading the functions may take so long. */
const LOAD_MILLIS = 60_000

/** The function held its thread, which was ended. */
export class Stuck extends RemoteFailure {
  constructor(milliseconds: number) {
    super(failureOf(timedOut(milliseconds)))
  }
}

/** The thread was stuck before it began with the request. */
class NotBegun extends Error {}

interface Running {
  readonly thread: Thread<EngineThreadApi>
  readonly pulse: Pulse
  readonly info: FunctionsInfo
}

export interface EngineThreadOptions {
  readonly settings: EngineSettings
  /** Hears of each commit before anything else is asked of the thread. */
  readonly onCommit: (commit: Commit) => void
  /** Another thread has taken over: what results depend on is not known any more. */
  readonly onReplaced: () => void
}

export class EngineThread {
  readonly #options: EngineThreadOptions
  #settings: EngineSettings
  #running: Promise<Running> | null = null
  #failed: ConvexEmbeddedError | null = null
  #requests = 0

  private constructor(options: EngineThreadOptions) {
    this.#options = options
    this.#settings = options.settings
  }

  /** Fails as opening the store and loading the functions do. */
  static async start(options: EngineThreadOptions): Promise<{ engine: EngineThread; info: FunctionsInfo }> {
    const engine = new EngineThread(options)
    engine.#running = engine.#start()
    const { info } = await engine.#running
    return { engine, info }
  }

  /** One at a time. Fails as the method does, with `Stuck`, or with `ThreadEnded`. */
  async request<M extends keyof EngineApi>(
    method: M,
    ...args: Parameters<EngineApi[M]>
  ): Promise<Awaited<ReturnType<EngineApi[M]>>> {
    for (;;) {
      if (this.#failed !== null) throw this.#failed
      const running = await this.#current()
      try {
        const { commit, result } = await this.#attempt(running, method, args)
        this.#options.onCommit(commit)
        return result as Awaited<ReturnType<EngineApi[M]>>
      } catch (cause) {
        if (cause instanceof ConvexEmbeddedError && cause.code === "DiskFailed") this.#failed = cause
        // At once: whoever watches results waits for nothing else.
        else if (running.thread.hasEnded()) await this.#replace().catch(() => undefined)
        if (!(cause instanceof NotBegun)) throw cause
      }
    }
  }

  async setOrigin(origin: string): Promise<void> {
    this.#settings = { ...this.#settings, origin }
    await this.request("setOrigin", origin)
  }

  async reload(modules: ModuleList): Promise<FunctionsInfo> {
    const info = await this.request("reload", modules)
    this.#settings = { ...this.#settings, modules }
    return info
  }

  /** Does not wait for requests. */
  forget(id: number): void {
    void this.#running?.then(({ thread }) => thread.peer.call("forget", id)).catch(() => undefined)
  }

  async close(): Promise<void> {
    const running = await this.#running?.catch(() => null)
    if (running === null || running === undefined) return
    await running.thread.peer.call("perform", ++this.#requests, "close", []).catch(() => undefined)
    await running.thread.end(new ThreadEnded("the deployment is closed"))
  }

  #current(): Promise<Running> {
    return this.#running ?? this.#replace()
  }

  /** The next request tries again when this fails. */
  async #replace(): Promise<Running> {
    this.#running = this.#start()
    try {
      const running = await this.#running
      this.#options.onReplaced()
      return running
    } catch (cause) {
      this.#running = null
      throw cause
    }
  }

  async #start(): Promise<Running> {
    const memory = Pulse.memory()
    const thread = startThread<EngineThreadApi>({ kind: "engine", pulse: memory }, {})
    const tooLong = `The functions in ${this.#settings.modules.folder} did not load within ${LOAD_MILLIS / 1000} s.`
    const timer = setTimeout(() => void thread.end(new ConvexEmbeddedError("InvalidFunctions", tooLong)), LOAD_MILLIS)
    try {
      return { info: await thread.peer.call("open", this.#settings), pulse: new Pulse(memory), thread }
    } catch (cause) {
      await thread.end(new ThreadEnded("it did not start"))
      throw cause
    } finally {
      clearTimeout(timer)
    }
  }

  async #attempt(
    { pulse, thread }: Running,
    method: keyof EngineApi,
    args: ReadonlyArray<unknown>
  ): Promise<Answer<unknown>> {
    if (thread.hasEnded()) throw new NotBegun()
    const request = ++this.#requests
    const limit = this.#settings.userTimeLimit + GRACE_MILLIS
    const sentAt = performance.now()
    const watch = () => {
      const { heldMillis, request: begun } = pulse.read()
      const isBegun = begun >= request
      const waited = isBegun ? heldMillis : performance.now() - sentAt
      if (waited < limit) timer = setTimeout(watch, limit - waited)
      else void thread.end(isBegun ? new Stuck(this.#settings.userTimeLimit) : new NotBegun())
    }
    let timer = setTimeout(watch, limit)
    try {
      return await thread.peer.call("perform", request, method, args as ReadonlyArray<never>)
    } finally {
      clearTimeout(timer)
    }
  }
}
