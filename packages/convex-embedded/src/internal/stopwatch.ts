// Not the global one, which refuses to work inside of a query or mutation.
import { clearTimeout, setTimeout } from "node:timers"

/** Measures how long a function's own code runs: the time that the deployment works for it does not count. */
export class Stopwatch {
  #elapsed = 0
  #startedAt: number | null = performance.now()
  #pauses = 0

  /** Milliseconds of the function's own time. */
  get elapsed(): number {
    return this.#elapsed + (this.#startedAt === null ? 0 : performance.now() - this.#startedAt)
  }

  /** Pauses nest: several calls may be under way at once. */
  pause(): void {
    if (this.#pauses++ > 0) return
    this.#elapsed = this.elapsed
    this.#startedAt = null
  }

  resume(): void {
    if (--this.#pauses === 0) this.#startedAt = performance.now()
  }

  /** Settles as `work` does, unless the time is up before; then with the failure of `timeUp`. */
  async limit<A>(milliseconds: number, work: Promise<A>, timeUp: () => Error): Promise<A> {
    let timer: NodeJS.Timeout | undefined
    const expired = new Promise<never>((_, reject) => {
      const check = () => {
        const left = milliseconds - this.elapsed
        if (left <= 0) reject(timeUp())
        else timer = setTimeout(check, Math.ceil(left))
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
