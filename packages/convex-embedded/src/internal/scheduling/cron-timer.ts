/** Runs cron jobs when they are due. */
import type { Executor } from "../threads/executor.ts"

/** The longest delay of a Node timer. */
const LONGEST_WAIT_MILLIS = 2 ** 31 - 1
const RETRY_MILLIS = 1000

export class CronTimer {
  readonly #executor: Executor
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(executor: Executor) {
    this.#executor = executor
  }

  /** Applies the declared cron jobs, after the functions were loaded. */
  async sync(): Promise<void> {
    await this.#executor.call("syncCrons")
    await this.#runDue()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  async #runDue(): Promise<void> {
    clearTimeout(this.#timer)
    this.#arm((await this.#executor.call("runCrons")) - Date.now())
  }

  #arm(wait: number): void {
    if (this.#closed || wait === Infinity) return
    // `sync` may have run at the same time.
    clearTimeout(this.#timer)
    this.#timer = setTimeout(
      () => this.#runDue().catch(() => this.#arm(RETRY_MILLIS)),
      Math.min(Math.max(wait, 0), LONGEST_WAIT_MILLIS)
    )
  }
}
