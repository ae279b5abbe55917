/**
 * Gives requests to the threads of the functions, in the order in which they arrive.
 *
 * Queries and mutations run one at a time: that is what makes them serializable. Actions run beside them, and their
 * queries and mutations take their turns like those of clients.
 */
import { ActionThread } from "./action-thread.ts"
import type { HttpCall } from "./actions.ts"
import {
  type Call,
  type ClientMutation,
  type Commit,
  type MutationRequest,
  type MutationRun,
  type RequestKey,
  type Run,
  type WatchedRun,
  type WatchRequest
} from "./calls.ts"
import type { EngineApi, EngineSettings, FunctionsInfo } from "./engine-api.ts"
import { EngineThread, Stuck } from "./engine-thread.ts"
import { failureOf } from "./errors.ts"
import type { ModuleList } from "./modules.ts"
import { Subscriptions } from "./subscriptions.ts"
import { ThreadEnded } from "./thread.ts"

/** Takes the parts of the answer of an HTTP action. */
export interface HttpSink {
  readonly head: (status: number, headers: ReadonlyArray<[string, string]>) => void
  /** Settles when the next one may come. */
  readonly chunk: (bytes: Uint8Array) => Promise<void>
}

/** A mutation of a client, until its turn comes. */
interface Waiting extends PromiseWithResolvers<MutationRun>, ClientMutation {}

/** More would let the first of them, and everybody else, wait long for a turn. */
const MUTATIONS_AT_ONCE = 32

export class Executor {
  readonly subscriptions: Subscriptions
  /** Is told when scheduled functions change. */
  onJobs: () => void = () => undefined
  info: FunctionsInfo = { authProviders: [], hasHttp: false }
  readonly #engine: EngineThread
  #modules: ModuleList
  /** The last one takes new actions; those before it come to their end. */
  #actions: Array<ActionThread> = []
  #ts = 0n
  #tail: Promise<unknown> = Promise.resolve()
  readonly #waiting: Array<Waiting> = []
  /** Whether a turn for them is on its way. */
  #asked = false
  #closed = false

  private constructor(engine: EngineThread, modules: ModuleList) {
    this.#engine = engine
    this.#modules = modules
    this.subscriptions = new Subscriptions({
      forget: (id) => engine.forget(id),
      run: (requests) => this.#watch(requests)
    })
  }

  /** Fails as opening the store and loading the functions do. */
  static async start(settings: EngineSettings): Promise<Executor> {
    const { engine, info } = await EngineThread.start({
      onCommit: (commit) => executor.#onCommit(commit),
      // A result that ended the thread would end the next one.
      onReplaced: () => {
        executor.subscriptions.outdateAll(({ run }) => run.isStuck !== true)
        // What the thread had committed, and not yet told, may have been a job.
        executor.onJobs()
      },
      settings
    })
    const executor = new Executor(engine, settings.modules)
    executor.info = info
    return executor
  }

  /** The time of the last commit. */
  get ts(): bigint {
    return this.#ts
  }

  /** Runs `job` when everything that came before has ended, and lets nothing else run meanwhile. */
  exclusive<A>(job: () => Promise<A>): Promise<A> {
    const turn = this.#tail.then(() => {
      if (this.#closed) throw new Error("The deployment is closed.")
      return job()
    })
    this.#tail = turn.catch(() => undefined)
    return turn
  }

  /** Lets what runs come to its end; nothing starts any more. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#tail
    await Promise.all(this.#actions.map((thread) => thread.close()))
    await this.#engine.close()
  }

  /** One request to the thread with the store, in its turn. */
  perform<M extends keyof EngineApi>(
    method: M,
    ...args: Parameters<EngineApi[M]>
  ): Promise<Awaited<ReturnType<EngineApi[M]>>> {
    return this.exclusive(() => this.#engine.request(method, ...args))
  }

  query(call: Call): Promise<Run> {
    return this.perform("query", call).catch(failed)
  }

  /** Only inside of `exclusive`. `null` when one of several queries ended the thread: nobody knows which. */
  async #watch(requests: ReadonlyArray<WatchRequest>): Promise<ReadonlyArray<WatchedRun> | null> {
    try {
      return await this.#engine.request("watch", requests)
    } catch (cause) {
      if (!(cause instanceof ThreadEnded) && !(cause instanceof Stuck)) throw cause
      return requests.length > 1 ? null : requests.map(({ journal }) => ({ ...failed(cause), isStuck: true, journal }))
    }
  }

  /**
   * Runs a mutation; with the key of a client at most once, however often it is given. Those of one client run in the
   * order in which they are given. What waits when a turn comes shares it, and its way to the disk.
   */
  mutation(call: Call, key: RequestKey | null): Promise<MutationRun> {
    if (key === null) return this.exclusive(() => this.#mutate({ call, key }))
    const answer = Promise.withResolvers<MutationRun>()
    this.#waiting.push({ ...answer, call, key })
    this.#takeWaiting()
    return answer.promise
  }

  /** One turn at a time is asked for, so that others come in between. */
  #takeWaiting(): void {
    if (this.#asked) return
    this.#asked = true
    const turn = this.exclusive(async () => {
      this.#asked = false
      const taken = this.#waiting.splice(0, MUTATIONS_AT_ONCE)
      const done = await this.#mutateTogether(taken)
      this.#waiting.unshift(...taken.slice(done))
      if (this.#waiting.length > 0) this.#takeWaiting()
    })
    turn.catch((cause: unknown) => {
      this.#asked = false
      for (const { reject } of this.#waiting.splice(0)) reject(cause)
    })
  }

  /**
   * How many were done. When one of several ended the thread, nobody knows which: so each is given again, alone, which its
   * key allows.
   */
  async #mutateTogether(waiting: ReadonlyArray<Waiting>): Promise<number> {
    const requests = waiting.map(({ call, key }) => ({ call, key }))
    const runs = waiting.length === 1 ? null : await this.#engine.request("mutations", requests).catch(() => null)
    if (runs === null) {
      for (const [i, { reject, resolve }] of waiting.entries()) await this.#mutate(requests[i]!).then(resolve, reject)
    }
    for (const [i, run] of runs?.entries() ?? []) waiting[i]!.resolve(run)
    return runs?.length ?? waiting.length
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
      return committed ?? { ...failed(cause), ts: this.#ts }
    }
  }

  async action(call: Call): Promise<Run> {
    try {
      const path = await this.perform("admitAction", call)
      const run = await this.#actionThread().run(path, call)
      if ("json" in run.outcome) await this.perform("checkResult", path, run.outcome.json)
      return run
    } catch (cause) {
      return failed(cause)
    }
  }

  /** Whether there is a route for it. */
  http(call: HttpCall, sink: HttpSink): Promise<boolean> {
    return this.info.hasHttp ? this.#actionThread().http(call, sink) : Promise.resolve(false)
  }

  /** Starts what listens, and tells the functions its URL before the first of them runs. */
  serving<A extends { readonly url: string }>(listen: () => Promise<A>): Promise<A> {
    return this.exclusive(async () => {
      const listening = await listen()
      await this.#engine.setOrigin(listening.url)
      return listening
    })
  }

  /** Takes the functions of `modules` for those from before; actions that run go on as they are. */
  reload(modules: ModuleList): Promise<void> {
    return this.exclusive(async () => {
      this.info = await this.#engine.reload(modules)
      this.#modules = modules
      this.#actions.at(-1)?.retire()
      this.subscriptions.outdateAll()
    })
  }

  #actionThread(): ActionThread {
    const last = this.#actions.at(-1)
    if (last?.isOpen()) return last
    last?.retire()
    const next = new ActionThread(this, this.#modules)
    this.#actions = [...this.#actions.filter((thread) => !thread.hasEnded()), next]
    return next
  }

  #onCommit({ jobs, outdated, ts }: Commit): void {
    this.#ts = ts
    this.subscriptions.outdate(outdated)
    if (jobs) this.onJobs()
  }
}

const failed = (cause: unknown): Run => ({ logLines: [], outcome: { failure: failureOf(cause) } })
