// Inside of a query or mutation the global clock stands still, and the global timers are rejected.
import { performance } from "node:perf_hooks"
import { clearTimeout, setTimeout } from "node:timers"

/**
 * Measures the time of a function's own code, without the time of its system calls. In wall time: a function that waits for a
 * promise that nothing settles uses no processor time, and must end too. Processor time is that of a thread, which several
 * functions share, so it decides only about a function that holds its thread (`WatchdogState`).
 */
export class Stopwatch {
  readonly #milliseconds: number
  #elapsed = 0
  #startedAt: number | null = performance.now()
  #pauses = 0

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds
  }

  /** Remaining milliseconds of the function. */
  get left(): number {
    return this.#milliseconds - this.#elapsed - (this.#startedAt === null ? 0 : performance.now() - this.#startedAt)
  }

  /** Pauses nest, because several calls may be pending. */
  pause(): void {
    if (this.#pauses++ > 0) return
    this.#elapsed = this.#milliseconds - this.left
    this.#startedAt = null
  }

  resume(): void {
    if (--this.#pauses === 0) this.#startedAt = performance.now()
  }

  /** Settles as `work`, or rejects with `timeUp()` if the time is up first. */
  limit<A>(work: Promise<A>, timeUp: () => Error): Promise<A> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      let isOver = false
      const settle = (how: () => void) => {
        isOver = true
        clearTimeout(timer)
        how()
      }
      work.then(
        (value) => settle(() => resolve(value)),
        (cause: unknown) => settle(() => reject(cause))
      )
      const check = () => {
        if (isOver) return
        const { left } = this
        if (left <= 0) reject(timeUp())
        else timer = setTimeout(check, Math.ceil(left))
      }
      // Work that has ended by now is in time.
      queueMicrotask(check)
    })
  }
}
