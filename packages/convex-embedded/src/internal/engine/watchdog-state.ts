/**
 * The state of a function thread, in memory shared with the thread that supervises it: a thread in an endless loop sends
 * no messages.
 */
export class WatchdogState {
  readonly #cells: BigInt64Array

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new BigInt64Array(memory)
  }

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(16)
  }

  /** The thread starts a request; no code of an earlier function occupies it. */
  begin(request: number): void {
    this.leave()
    Atomics.store(this.#cells, 0, BigInt(request))
  }

  /** Code of a function occupies the thread, from now on or since the time that `leave` returned. */
  enter(since: bigint = process.hrtime.bigint()): void {
    Atomics.store(this.#cells, 1, since)
  }

  /** Code of the deployment occupies the thread. Returns since when a function had it; 0 if none did. */
  leave(): bigint {
    return Atomics.exchange(this.#cells, 1, 0n)
  }

  /** Runs work of the deployment, such as a disk sync, whose duration does not count for the function. */
  outside<A>(work: () => A): A {
    const since = this.leave()
    try {
      return work()
    } finally {
      if (since !== 0n) this.enter()
    }
  }

  /** The last request that began, and the milliseconds for which a function has occupied the thread without a pause. */
  read(): { readonly request: number; readonly busyMillis: number } {
    const since = Atomics.load(this.#cells, 1)
    const busyMillis = since === 0n ? 0 : Number(process.hrtime.bigint() - since) / 1e6
    return { busyMillis, request: Number(Atomics.load(this.#cells, 0)) }
  }
}
