/** Wakes the cron jobs when the next one is due. */
import type { Executor } from "./executor.ts"

/** The longest that a timer of Node can wait. */
const LONGEST_WAIT_MILLIS = 2 ** 31 - 1
const RETRY_MILLIS = 1000

export class CronTimer {
  readonly #executor: Executor
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(executor: Executor) {
    this.#executor = executor
  }

  /** The functions have been loaded, and with them what cron jobs there are. */
  async sync(): Promise<void> {
    await this.#executor.perform("syncCrons")
    await this.#runDue()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  async #runDue(): Promise<void> {
    clearTimeout(this.#timer)
    this.#arm((await this.#executor.perform("runCrons")) - Date.now())
  }

  #arm(wait: number): void {
    if (this.#closed || wait === Infinity) return
    this.#timer = setTimeout(
      () => this.#runDue().catch(() => this.#arm(RETRY_MILLIS)),
      Math.min(Math.max(wait, 0), LONGEST_WAIT_MILLIS)
    )
  }
}
