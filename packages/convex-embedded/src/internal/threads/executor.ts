/**
 * Sends requests to the function threads, in the order of their arrival.
 *
 * Mutations run one at a time, which makes them serializable; queries run between them, or at the same time in a snapshot (see
 * `Reads`). Actions run concurrently; their queries and mutations are queued like those of clients.
 */
import type { EngineApi, EngineSettings, FunctionsInfo } from "../engine/engine-api.ts"
import type { ModuleList } from "../functions/modules.ts"
import type { Call, ClientMutation, Commit, MutationRequest, MutationRun, RequestKey, Run } from "../values/calls.ts"
import { failureOf } from "../values/errors.ts"
import { ActionThread, type HttpSink } from "./action-thread.ts"
import type { ActionHost, HttpCall } from "./actions.ts"
import { EngineThread } from "./engine-thread.ts"
import { Queue } from "./queue.ts"
import { Reads } from "./reads.ts"
import type { Subscriptions, Watch } from "./subscriptions.ts"

/** A queued mutation of a client. */
interface QueuedMutation extends PromiseWithResolvers<MutationRun>, ClientMutation {}

/** A larger batch would delay its first mutation, and all other calls, for too long. */
const MUTATIONS_PER_BATCH = 32

export class Executor {
  readonly subscriptions: Subscriptions
  /** Called when scheduled functions change. */
  onJobs: () => void = () => undefined
  info: FunctionsInfo = { authProviders: [], hasHttp: false }
  readonly #engine: EngineThread
  #origin = ""
  #modules: ModuleList
  /** The last one takes new actions; the others finish theirs. */
  #actions: Array<ActionThread> = []
  readonly #queue = new Queue()
  readonly #reads: Reads
  readonly #queued: Array<QueuedMutation> = []
  #isBatchScheduled = false

  private constructor(engine: EngineThread, settings: Omit<EngineSettings, "origin">) {
    this.#engine = engine
    this.#modules = settings.modules
    this.#reads = new Reads({
      engine,
      queue: this.#queue,
      settings: () => ({ ...settings, modules: this.#modules, origin: this.#origin })
    })
    this.subscriptions = this.#reads.subscriptions
  }

  /** Rejects if the store cannot be opened. The functions are loaded by `serving`. */
  static async start(settings: Omit<EngineSettings, "origin">): Promise<Executor> {
    const engine = await EngineThread.start({
      kind: "engine",
      onCommit: (commit) => executor.#onCommit(commit),
      onEnded: () => executor.#reads.reset(),
      onReplaced: () => {
        // A query that took its thread down would do so again: it is retried with a delay.
        executor.subscriptions.invalidateAll(({ run }) => run.isHung !== true)
        // The terminated thread may have committed jobs that it has not reported.
        executor.onJobs()
      },
      settings: { ...settings, origin: "" }
    })
    const executor = new Executor(engine, settings)
    return executor
  }

  /** The time of the last commit. */
  get ts(): bigint {
    return this.#reads.ts
  }

  /** Runs `job` after all earlier requests have ended, and before any later one. */
  exclusive<A>(job: () => Promise<A>): Promise<A> {
    return this.#queue.exclusive(job)
  }

  /** Waits for the running request; later ones are rejected. */
  async close(): Promise<void> {
    await this.#queue.close()
    await Promise.all([...this.#actions.map((thread) => thread.close()), this.#reads.reset()])
    await this.#engine.close()
  }

  /** Queues one request to the engine thread. */
  call<M extends keyof EngineApi>(
    method: M,
    ...args: Parameters<EngineApi[M]>
  ): Promise<Awaited<ReturnType<EngineApi[M]>>> {
    return this.exclusive(() => this.#engine.request(method, ...args))
  }

  query(call: Call): Promise<Run> {
    return this.#reads.query(call)
  }

  /** Runs a transition of queries of these paths; `run` resolves with `null` if `watch` does. */
  transition<A>(paths: ReadonlyArray<string>, run: (watch: Watch) => Promise<A | null>): Promise<A> {
    return this.#reads.transition(paths, run)
  }

  /**
   * Runs a mutation; with a client's key at most once, however often it is sent. Mutations of one client run in the order
   * of their arrival. Queued mutations run as one batch and share one disk sync.
   */
  mutation(call: Call, key: RequestKey | null): Promise<MutationRun> {
    if (key === null) return this.exclusive(() => this.#mutate({ call, key }))
    const answer = Promise.withResolvers<MutationRun>()
    this.#queued.push({ ...answer, call, key })
    this.#scheduleBatch()
    return answer.promise
  }

  /** Queues one batch at a time, so that other requests run between batches. */
  #scheduleBatch(): void {
    if (this.#isBatchScheduled) return
    this.#isBatchScheduled = true
    const batch = this.exclusive(async () => {
      this.#isBatchScheduled = false
      const taken = this.#queued.splice(0, MUTATIONS_PER_BATCH)
      const done = await this.#mutateBatch(taken)
      this.#queued.unshift(...taken.slice(done))
      if (this.#queued.length > 0) this.#scheduleBatch()
    })
    batch.catch((cause: unknown) => {
      this.#isBatchScheduled = false
      for (const { reject } of this.#queued.splice(0)) reject(cause)
    })
  }

  /**
   * Returns how many mutations ran. If one of several took the thread down, it is not known which: each is sent again
   * separately, which is safe because of its key.
   */
  async #mutateBatch(mutations: ReadonlyArray<QueuedMutation>): Promise<number> {
    const requests = mutations.map(({ call, key }) => ({ call, key }))
    const runs = mutations.length === 1 ? null : await this.#engine.request("mutations", requests).catch(() => null)
    if (runs === null) {
      for (const [i, { reject, resolve }] of mutations.entries()) await this.#mutate(requests[i]!).then(resolve, reject)
    }
    for (const [i, run] of runs?.entries() ?? []) mutations[i]!.resolve(run)
    return runs?.length ?? mutations.length
  }

  /** Only inside of `exclusive`. */
  async #mutate(request: MutationRequest): Promise<MutationRun> {
    try {
      const [run] = await this.#engine.request("mutations", [request])
      return run!
    } catch (cause) {
      // The thread may have ended between the commit and its answer.
      const { call, key } = request
      const committed = key === null ? null : await this.#engine.request("answer", { call, key })
      return committed ?? { ...failed(cause), ts: this.ts }
    }
  }

  async action(call: Call): Promise<Run> {
    try {
      const path = await this.call("admitAction", call)
      const run = await this.#actionThread().run(path, call)
      if ("json" in run.outcome) await this.call("checkResult", path, run.outcome.json)
      return run
    } catch (cause) {
      return failed(cause)
    }
  }

  /** Returns whether there is a route. */
  http(call: HttpCall, sink: HttpSink): Promise<boolean> {
    return this.info.hasHttp ? this.#actionThread().http(call, sink) : Promise.resolve(false)
  }

  /**
   * Starts a server, then loads the functions, which may read its URL. Rejects if the server cannot listen or the functions
   * cannot be loaded; nothing listens then.
   */
  serving<A extends { readonly close: () => Promise<void>; readonly url: string }>(
    listen: () => Promise<A>
  ): Promise<A> {
    return this.exclusive(async () => {
      const listening = await listen()
      try {
        this.#origin = listening.url
        this.info = await this.#engine.load(listening.url)
        await this.#engine.request("recoverJobs")
      } catch (cause) {
        await listening.close()
        throw cause
      }
      return listening
    })
  }

  /** Replaces the functions by those of `modules`. Running actions continue with the old ones. */
  reload(modules: ModuleList): Promise<void> {
    return this.exclusive(async () => {
      await this.#reads.reset()
      this.info = await this.#engine.reload(modules)
      this.#modules = modules
      this.#actions.at(-1)?.retire()
      this.subscriptions.invalidateAll()
    })
  }

  #actionThread(): ActionThread {
    const last = this.#actions.at(-1)
    if (last?.isOpen()) return last
    last?.retire()
    const next = new ActionThread(this.#actionHost, this.#modules, this.#origin)
    this.#actions = [...this.#actions.filter((thread) => !thread.hasEnded()), next]
    return next
  }

  readonly #actionHost: Omit<ActionHost, "chunk" | "head"> = {
    action: (call) => this.action(call),
    mutation: (call) => this.mutation(call, null),
    query: (call) => this.query(call),
    readFile: (id) => this.call("readFile", id),
    storeFile: (content, sha256) => this.call("storeFile", content, sha256),
    syscall: (operation, argument) => this.call("syscall", operation, argument)
  }

  #onCommit(commit: Commit): void {
    this.#reads.commit(commit)
    if (commit.jobs) this.onJobs()
  }
}

const failed = (cause: unknown): Run => ({ logLines: [], outcome: { failure: failureOf(cause) } })
