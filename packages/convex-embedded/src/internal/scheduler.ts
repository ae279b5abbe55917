/** Runs scheduled functions when they are due; `job-steps.ts` has what makes each of them run once. */
import { messageOf } from "./errors.ts"
import { resultOf } from "./calls.ts"
import type { Executor } from "./executor.ts"
import type { DueJob } from "./job-steps.ts"

/** Actions of jobs that run at once. */
const CONCURRENT_ACTIONS = 8

const RETRY_MILLIS = 1000

/** The longest that a timer of Node can wait. */
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

  /** Nothing is started any more; what a running job still does is undone or refused by the executor. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#running
  }

  /** A job may be due, or due at another time than before. */
  wake(): void {
    clearTimeout(this.#timer)
    this.#again = true
    this.#running ??= this.#runDue()
      .catch(() => {
        // The store refused, for instance because the disk is full: the jobs are still there.
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
      const next = await this.#executor.perform("nextJob", this.#actions.size >= CONCURRENT_ACTIONS)
      if (next === null || this.#closed) return
      const wait = next.scheduledTime - Date.now()
      if (wait > 0) {
        this.#timer = setTimeout(() => this.wake(), Math.min(wait, LONGEST_WAIT_MILLIS))
      } else {
        await this.#run(next)
        this.#again = true
      }
    }
  }

  async #run(job: DueJob): Promise<void> {
    try {
      if ((await this.#executor.perform("beginJob", job)) === "action") this.#runAction(job)
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
      // The store refused: the job stays in progress, and the next start marks it.
      .catch(() => undefined)
    this.#actions.add(action)
    void action.finally(() => {
      this.#actions.delete(action)
      if (!this.#closed) this.wake()
    })
  }

  /** After the end of the deployment the job stays in progress, and the next start marks it. */
  async #finish({ id }: Pick<DueJob, "id">, error: string | null): Promise<void> {
    if (this.#closed) return
    await this.#executor.perform("finishJob", id, error).catch((failure: unknown) => {
      if (!this.#closed) throw failure
    })
  }
}
