export interface WatchdogReading {
  /** The last request that began. */
  readonly request: number
  /** For how long a function has occupied the thread without a pause. */
  readonly busyMillis: number
  /** The processor time of the thread at its last request or beat. */
  readonly processorMillis: number
}

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
    return new SharedArrayBuffer(24)
  }

  /** The thread starts a request; no code of an earlier function occupies it. */
  begin(request: number): void {
    this.leave()
    this.#storeProcessorTime()
    Atomics.store(this.#cells, 0, BigInt(request))
  }

  /** The event loop of the thread runs; a function may occupy the thread from now on. */
  beat(): void {
    this.#storeProcessorTime()
    this.enter()
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

  read(): WatchdogReading {
    const since = Atomics.load(this.#cells, 1)
    const busyMillis = since === 0n ? 0 : Number(process.hrtime.bigint() - since) / 1e6
    const processorMillis = Number(Atomics.load(this.#cells, 2)) / 1e3
    return { busyMillis, processorMillis, request: Number(Atomics.load(this.#cells, 0)) }
  }

  #storeProcessorTime(): void {
    const { system, user } = process.threadCpuUsage()
    Atomics.store(this.#cells, 2, BigInt(user + system))
  }
}
