/**
 * Runs scheduled functions when they are due.
 *
 * Invariants
 * - A mutation and the end of its job are one commit: it takes effect exactly once, whenever the process dies.
 * - The start of an action is committed before it runs: it runs at most once. One that a dead process had started
 *   is marked as failed.
 */
// Not the global ones, which refuse to work inside of a query or mutation.
import { clearTimeout, setTimeout } from "node:timers"
import { convexToJson, type JSONValue, type Value } from "convex/values"
import type { Catalog } from "./catalog.ts"
import { SCHEDULED_FUNCTIONS } from "./catalog.ts"
import { messageOf } from "./errors.ts"
import type { Executor } from "./executor.ts"
import { canonicalPath } from "./functions.ts"
import { endJob, type Job, jobFunction, jobsIn, readJob, startJob } from "./jobs.ts"
import type { Change } from "./transaction.ts"

/** Actions of jobs that run at once. */
const CONCURRENT_ACTIONS = 8

/** Ended jobs stay readable for a week, as in Convex. */
const KEPT_MILLIS = 7 * 24 * 3_600_000
const REMOVED_AT_ONCE = 100

const RETRY_MILLIS = 1000

/** The longest that a timer of Node can wait. */
const LONGEST_WAIT_MILLIS = 2 ** 31 - 1

export class Scheduler {
  readonly #executor: Executor
  readonly #jobsIndex: number
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | null = null
  #again = false
  #closed = false
  readonly #actions = new Set<Promise<void>>()

  constructor(executor: Executor, catalog: Catalog) {
    this.#executor = executor
    this.#jobsIndex = catalog.table(SCHEDULED_FUNCTIONS).indexes.get("by_state")!.id
  }

  async start(): Promise<void> {
    await this.#executor.transact((transaction) => {
      for (const job of Array.from(jobsIn(transaction, "inProgress", Infinity))) {
        endJob(transaction, job, { error: "The deployment stopped while the action ran.", kind: "failed" })
      }
      const old = (["success", "failed", "canceled"] as const).flatMap((kind) =>
        [...jobsIn(transaction, kind, Date.now() - KEPT_MILLIS)].slice(0, REMOVED_AT_ONCE)
      )
      for (const job of old) transaction.removeSystem(job)
    })
    this.#wake()
  }

  onCommit(changes: ReadonlyArray<Change>): void {
    if (changes.some((change) => change.indexId === this.#jobsIndex)) this.#wake()
  }

  /** Nothing is started any more; what a running job still does is undone or refused by the executor. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#running
  }

  #wake(): void {
    clearTimeout(this.#timer)
    this.#again = true
    this.#running ??= this.#runDue()
      .catch(() => {
        // The store refused, for instance because the disk is full: the jobs are still there.
        if (!this.#closed) this.#timer = setTimeout(() => this.#wake(), RETRY_MILLIS)
      })
      .finally(() => {
        this.#running = null
        if (this.#again && !this.#closed) this.#wake()
      })
  }

  async #runDue(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false
      const next = await this.#next()
      if (next === null || this.#closed) return
      const wait = next.scheduledTime - Date.now()
      if (wait > 0) {
        this.#timer = setTimeout(() => this.#wake(), Math.min(wait, LONGEST_WAIT_MILLIS))
      } else {
        await this.#run(next)
        this.#again = true
      }
    }
  }

  /** The first job that could run: while all actions are busy, only mutations can. */
  #next(): Promise<Job | null> {
    return this.#executor.transact((transaction) => {
      const isBusy = this.#actions.size >= CONCURRENT_ACTIONS
      for (const job of jobsIn(transaction, "pending", Infinity)) {
        if (!isBusy || this.#executor.lookup(canonicalPath(job.name))?.kind !== "action") return job
      }
      return null
    })
  }

  async #run(job: Job): Promise<void> {
    try {
      const { kind, path } = jobFunction(this.#executor, job.name)
      const args = convexToJson(job.args[0] as Value)
      if (kind === "mutation") await this.#runMutation(job, path, args)
      else await this.#startAction(job, path, args)
    } catch (cause) {
      await this.#end(job, cause)
    }
  }

  #runMutation(job: Job, path: string, args: JSONValue): Promise<void> {
    return this.#executor.exclusive(() =>
      this.#executor.write(async (transaction) => {
        if (readJob(transaction, job._id)?.state.kind !== "pending") return
        const found = this.#executor.find({ caller: "function", path }, "mutation")
        await this.#executor.invoke(found, { args, identity: null }, transaction)
        endJob(transaction, job, { kind: "success" })
      })
    )
  }

  async #startAction(job: Job, path: string, args: JSONValue): Promise<void> {
    const started = await this.#executor.transact((transaction) => {
      if (readJob(transaction, job._id)?.state.kind !== "pending") return false
      startJob(transaction, job)
      return true
    })
    if (!started) return
    const action = this.#executor
      .action({ args, caller: "function", identity: null, path })
      .then(
        () => this.#end(job, null),
        (cause: unknown) => this.#end(job, cause)
      )
      // The store refused: the job stays in progress, and the next start marks it.
      .catch(() => undefined)
    this.#actions.add(action)
    void action.finally(() => {
      this.#actions.delete(action)
      if (!this.#closed) this.#wake()
    })
  }

  /** After the end of the deployment the job stays in progress, and the next start marks it. */
  async #end(job: Job, cause: unknown): Promise<void> {
    if (this.#closed) return
    await this.#executor
      .transact((transaction) => {
        const current = readJob(transaction, job._id)
        if (current === null || current.state.kind === "canceled") return
        endJob(transaction, current, cause === null ? { kind: "success" } : { error: messageOf(cause), kind: "failed" })
      })
      .catch((failure: unknown) => {
        if (!this.#closed) throw failure
      })
  }
}
