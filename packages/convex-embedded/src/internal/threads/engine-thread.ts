/**
 * Supervises the engine thread: sends it one request at a time, and replaces it if a function hangs.
 *
 * Invariants
 * - A request that has begun is never sent to another thread automatically: it could terminate that one, too. SQLite has
 *   rolled back its uncommitted writes.
 * - A request that has not begun, because code of an earlier function occupies the thread, is sent to the next thread.
 * - After the disk has failed, no further request is sent to any thread.
 */
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import type { EngineApi, EngineSettings, FunctionsInfo } from "../engine/engine-api.ts"
import { WatchdogState } from "../engine/watchdog-state.ts"
import type { ModuleList } from "../functions/modules.ts"
import type { Commit } from "../values/calls.ts"
import { failureOf, RemoteFailure, timedOut } from "../values/errors.ts"
import { Alarm } from "./alarm.ts"
import type { Answer, EngineThreadApi } from "./convex-thread.ts"
import { isHung } from "./hung.ts"
import { startThread, type Thread, ThreadEnded } from "./thread.ts"

/** Time beyond `userTimeLimit` before the thread is terminated. A thread that can still run code ends the function itself. */
const GRACE_MILLIS = 250

/** The time limit for loading the functions. */
const LOAD_MILLIS = 60_000

/** The function occupied its thread beyond its time limit, and the thread was terminated. */
export class HungFunctionError extends RemoteFailure {
  constructor(milliseconds: number) {
    super(failureOf(timedOut(milliseconds)))
  }
}

/** The thread was terminated before it began the request. */
class NotBegun extends Error {}

interface Running {
  /** Checks the running request. */
  readonly alarm: Alarm
  readonly thread: Thread<EngineThreadApi>
  readonly watchdog: WatchdogState
}

export interface EngineThreadOptions {
  /** A reader runs queries while the engine runs others, in snapshots. */
  readonly kind: "engine" | "reader"
  readonly settings: EngineSettings
  /** Receives the commits of a request before the next request is sent. */
  readonly onCommit: (commit: Commit) => void
  /** The thread has ended, or sends no more reports. Settles when a new one may start. */
  readonly onEnded: () => Promise<void>
  /** A new thread has replaced the old one: the dependencies of results are unknown. */
  readonly onReplaced: () => void
}

export class EngineThread {
  readonly #options: EngineThreadOptions
  #settings: EngineSettings
  #running: Promise<Running> | null = null
  /** Set when no further request may be sent: every one rejects with it. */
  #failed: Error | null = null
  #requests = 0

  private constructor(options: EngineThreadOptions) {
    this.#options = options
    this.#settings = options.settings
  }

  /** Rejects if the store cannot be opened. Without an origin in the settings, `load` comes before the first request. */
  static async start(options: EngineThreadOptions): Promise<EngineThread> {
    const engine = new EngineThread(options)
    engine.#running = engine.#start()
    await engine.#running
    return engine
  }

  /** Loads the functions, which may read the URL of the deployment. */
  async load(origin: string): Promise<FunctionsInfo> {
    this.#settings = { ...this.#settings, origin }
    const { thread } = await this.#current()
    return (await this.#open(thread))!
  }

  /** Sends one request at a time. Rejects as the method does, with `HungFunctionError` or with `ThreadEnded`. */
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
        if (cause instanceof ConvexEmbeddedError && cause.code === "DiskFailed") await this.#fail(cause)
        // Immediately: clients that only watch results would not cause a replacement.
        else if (running.thread.hasEnded()) await this.#replace().catch(() => undefined)
        if (!(cause instanceof NotBegun)) throw cause
      }
    }
  }

  async reload(modules: ModuleList): Promise<FunctionsInfo> {
    const info = await this.request("reload", modules)
    this.#settings = { ...this.#settings, modules }
    return info
  }

  /** Forgets the read set of a result. Does not wait for requests. */
  forget(id: number): void {
    void this.#running?.then(({ thread }) => thread.peer.call("forget", id)).catch(() => undefined)
  }

  async close(): Promise<void> {
    const running = await this.#running?.catch(() => null)
    if (running === null || running === undefined) return
    await running.thread.peer.call("call", ++this.#requests, "close", []).catch(() => undefined)
    await running.thread.end(new ThreadEnded("the deployment is closed"))
  }

  /** Terminates the thread, even if a function occupies it. The running request and later ones reject. */
  async end(): Promise<void> {
    const ended = new ThreadEnded("the reader has ended")
    this.#failed = ended
    const running = await this.#running?.catch(() => null)
    await running?.thread.end(ended)
  }

  /** Commits that were not reported will not be: nothing may wait for them. */
  async #fail(cause: ConvexEmbeddedError): Promise<void> {
    this.#failed = cause
    await this.#options.onEnded()
  }

  #current(): Promise<Running> {
    return this.#running ?? this.#replace()
  }

  /** If this fails, the next request tries again. */
  async #replace(): Promise<Running> {
    if (this.#failed !== null) throw this.#failed
    this.#running = this.#options.onEnded().then(() => this.#start())
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
    const memory = WatchdogState.memory()
    const thread = startThread<EngineThreadApi>({ kind: this.#options.kind, watchdog: memory }, {})
    try {
      await this.#open(thread)
      return { alarm: new Alarm(), thread, watchdog: new WatchdogState(memory) }
    } catch (cause) {
      await thread.end(new ThreadEnded("it did not start"))
      throw cause
    }
  }

  async #open(thread: Thread<EngineThreadApi>): Promise<FunctionsInfo | null> {
    const tooLong = `The functions in ${this.#settings.modules.folder} did not load within ${LOAD_MILLIS / 1000} s.`
    const timer = setTimeout(() => void thread.end(new ConvexEmbeddedError("InvalidFunctions", tooLong)), LOAD_MILLIS)
    try {
      return await thread.peer.call("open", this.#settings)
    } finally {
      clearTimeout(timer)
    }
  }

  async #attempt(
    { alarm, thread, watchdog }: Running,
    method: keyof EngineApi,
    args: ReadonlyArray<unknown>
  ): Promise<Answer<unknown>> {
    if (thread.hasEnded()) throw new NotBegun()
    const request = ++this.#requests
    const limit = this.#settings.userTimeLimit + GRACE_MILLIS
    const sentAt = performance.now()
    let isOver = false
    const wait = (): { readonly isBegun: boolean; readonly waited: number } => {
      const { busyMillis, request: begun } = watchdog.read()
      return begun >= request
        ? { isBegun: true, waited: busyMillis }
        : { isBegun: false, waited: performance.now() - sentAt }
    }
    const check = async () => {
      const { isBegun, waited } = wait()
      const isPast = waited >= limit
      const hung = isPast && (await isHung(thread, watchdog.read(), { limit, waited }))
      if (isOver) return
      // It may have begun, or paused, meanwhile.
      const now = wait()
      if (hung && now.isBegun === isBegun && now.waited >= limit) {
        void thread.end(isBegun ? new HungFunctionError(this.#settings.userTimeLimit) : new NotBegun())
      } else alarm.set(isPast ? limit / 2 : limit - waited, check)
    }
    alarm.set(limit, check)
    try {
      return await thread.peer.call("call", request, method, args as ReadonlyArray<never>)
    } finally {
      isOver = true
      alarm.clear()
    }
  }
}
