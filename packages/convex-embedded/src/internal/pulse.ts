/**
 * What the thread of the functions shows of itself, in memory that others can read while it is stuck: a thread that
 * loops sends no message.
 */
export class Pulse {
  readonly #cells: BigInt64Array

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new BigInt64Array(memory)
  }

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(16)
  }

  /** The thread begins with a request: nothing that was left behind holds it. */
  begin(request: number): void {
    this.leave()
    Atomics.store(this.#cells, 0, BigInt(request))
  }

  /** A function's own code has the thread, from now on or since the time that `leave` gave. */
  enter(since: bigint = process.hrtime.bigint()): void {
    Atomics.store(this.#cells, 1, since)
  }

  /** The deployment itself has the thread. */
  leave(): bigint {
    return Atomics.exchange(this.#cells, 1, 0n)
  }

  /** Does what is the deployment's own and may take its time, such as a way to the disk. */
  outside<A>(work: () => A): A {
    const since = this.leave()
    try {
      return work()
    } finally {
      if (since !== 0n) this.enter()
    }
  }

  /** The request that was begun last, and for how many milliseconds a function has had the thread without a pause. */
  read(): { readonly request: number; readonly heldMillis: number } {
    const since = Atomics.load(this.#cells, 1)
    const heldMillis = since === 0n ? 0 : Number(process.hrtime.bigint() - since) / 1e6
    return { heldMillis, request: Number(Atomics.load(this.#cells, 0)) }
  }
}
