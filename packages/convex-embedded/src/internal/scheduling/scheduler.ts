/** Runs scheduled functions when they are due. `job-steps.ts` ensures that each runs once. */
import { messageOf } from "../values/errors.ts"
import { resultOf } from "../values/calls.ts"
import type { Executor } from "../threads/executor.ts"
import type { DueJob } from "../engine/job-steps.ts"

/** Concurrent actions of jobs. */
const CONCURRENT_ACTIONS = 8

const RETRY_MILLIS = 1000

/** The longest delay of a Node timer. */
const LONGEST_WAIT_MILLIS = 2 ** 31 - 1

export class Scheduler {
  readonly #executor: Executor
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | null = null
  #again = false
  #closed = false
  readonly #actions = new Set<Promise<void>>()

  constructor(executor: Executor) {
    this.#executor = executor
  }

  /** Starts no further job. The executor rolls back or rejects calls of jobs that still run. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#running
  }

  /** Checks for due jobs, after a job was added, changed or ended. */
  wake(): void {
    clearTimeout(this.#timer)
    this.#again = true
    this.#running ??= this.#runDue()
      .catch(() => {
        // The store failed, for example because the disk is full. The jobs are still stored.
        if (!this.#closed) this.#timer = setTimeout(() => this.wake(), RETRY_MILLIS)
      })
      .finally(() => {
        this.#running = null
        if (this.#again && !this.#closed) this.wake()
      })
  }

  async #runDue(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false
      const next = await this.#executor.call("nextJob", this.#actions.size >= CONCURRENT_ACTIONS)
      if (next === null || this.#closed) return
      const wait = next.scheduledTime - Date.now()
      if (wait > 0) {
        // Since a wake-up while the next job was looked up, this may be the second one.
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.wake(), Math.min(wait, LONGEST_WAIT_MILLIS))
      } else {
        await this.#run(next)
        this.#again = true
      }
    }
  }

  async #run(job: DueJob): Promise<void> {
    try {
      if ((await this.#executor.call("beginJob", job)) === "action") this.#runAction(job)
    } catch (cause) {
      await this.#finish(job, messageOf(cause))
    }
  }

  #runAction({ args, id, path }: DueJob): void {
    const action = this.#executor
      .action({ args, caller: "function", identity: null, path })
      .then(resultOf)
      .then(
        () => this.#finish({ id }, null),
        (cause: unknown) => this.#finish({ id }, messageOf(cause))
      )
      // The store failed: the job stays in progress, and the next start marks it as failed.
      .catch(() => undefined)
    this.#actions.add(action)
    void action.finally(() => {
      this.#actions.delete(action)
      if (!this.#closed) this.wake()
    })
  }

  /** After the end of the deployment the job stays in progress, and the next start marks it as failed. */
  async #finish({ id }: Pick<DueJob, "id">, error: string | null): Promise<void> {
    if (this.#closed) return
    await this.#executor.call("finishJob", id, error).catch((failure: unknown) => {
      if (!this.#closed) throw failure
    })
  }
}
