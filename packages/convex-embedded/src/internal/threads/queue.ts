/** The order of the requests to the engine thread: one at a time, in the order of their arrival. */

export class Queue {
  #tail: Promise<unknown> = Promise.resolve()
  #closed = false
  /** Jobs that have not ended. */
  #jobs = 0

  /** Runs `job` after all earlier requests have ended, and before any later one. */
  exclusive<A>(job: () => Promise<A>): Promise<A> {
    const result = this.#tail.then(() => {
      if (this.#closed) throw new Error("The deployment is closed.")
      return job()
    })
    this.#jobs++
    const end = () => void this.#jobs--
    this.#tail = result.then(end, end)
    return result
  }

  /**
   * As `exclusive`. A job that still waits after `patience` milliseconds may leave the queue: if `overtake` resolves with
   * `null`, it is queued again.
   */
  exclusiveOr<A>(job: () => Promise<A>, patience: number, overtake: () => Promise<A | null> | null): Promise<A> {
    if (this.#jobs === 0) return this.exclusive(job)
    return new Promise((resolve, reject) => {
      let isTaken = false
      const timer = setTimeout(() => {
        const result = overtake()
        if (result === null) return
        isTaken = true
        result.then((value) => (value === null ? this.exclusive(job) : value)).then(resolve, reject)
      }, patience)
      this.exclusive(async () => {
        clearTimeout(timer)
        if (!isTaken) await job().then(resolve, reject)
      }).catch((cause: unknown) => {
        clearTimeout(timer)
        if (!isTaken) reject(cause)
      })
    })
  }

  /** Waits for the running request; later ones are rejected. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#tail
  }
}
