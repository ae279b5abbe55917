// Not the global ones: inside of a query or mutation time stands still there, and timers are refused.
import { performance } from "node:perf_hooks"
import { clearTimeout, setTimeout } from "node:timers"

/** Measures how long a function's own code runs: the time that the deployment works for it does not count. */
export class Stopwatch {
  readonly #milliseconds: number
  #elapsed = 0
  #startedAt: number | null = performance.now()
  #pauses = 0

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds
  }

  /** Milliseconds of its own time that the function still has. */
  get left(): number {
    return this.#milliseconds - this.#elapsed - (this.#startedAt === null ? 0 : performance.now() - this.#startedAt)
  }

  /** Pauses nest: several calls may be under way at once. */
  pause(): void {
    if (this.#pauses++ > 0) return
    this.#elapsed = this.#milliseconds - this.left
    this.#startedAt = null
  }

  resume(): void {
    if (--this.#pauses === 0) this.#startedAt = performance.now()
  }

  /** Settles as `work` does, unless the time is up before; then with the failure of `timeUp`. */
  async limit<A>(work: Promise<A>, timeUp: () => Error): Promise<A> {
    let timer: NodeJS.Timeout | undefined
    const expired = new Promise<never>((_, reject) => {
      const check = () => {
        if (this.left <= 0) reject(timeUp())
        else timer = setTimeout(check, Math.ceil(this.left))
      }
      check()
    })
    try {
      return await Promise.race([work, expired])
    } finally {
      clearTimeout(timer)
    }
  }
}
