/** Values of callbacks as an `AsyncIterable`, of which a slow consumer receives only the latest. */

export interface Emitter<A> {
  readonly emit: (value: A) => void
  readonly fail: (error: unknown) => void
  /** Ends the iteration after the last value. */
  readonly end: () => void
}

/** `start` begins for each iteration and returns its clean-up, which runs once: at the end, at a failure, or when the loop is left. */
export const updates = <A>(start: (emitter: Emitter<A>) => () => void, signal?: AbortSignal): AsyncIterable<A> => ({
  [Symbol.asyncIterator]: () => {
    let latest: { readonly value: A } | undefined
    let failure: { readonly error: unknown } | undefined
    let isOver = false
    let waiting: PromiseWithResolvers<IteratorResult<A, undefined>> | undefined
    let stop: (() => void) | undefined

    const finish = () => {
      if (isOver) return
      isOver = true
      signal?.removeEventListener("abort", onAbort)
      stop?.()
    }
    /** Settles the waiting `next()`, if there is something to settle it with. */
    const settle = () => {
      if (waiting === undefined || (latest === undefined && !isOver)) return
      const { reject, resolve } = waiting
      waiting = undefined
      if (latest !== undefined) {
        resolve({ done: false, value: latest.value })
        latest = undefined
      } else if (failure !== undefined) {
        reject(failure.error)
        failure = undefined
      } else resolve({ done: true, value: undefined })
    }
    const fail = (error: unknown) => {
      if (isOver) return
      failure = { error }
      finish()
      settle()
    }
    const onAbort = () => {
      latest = undefined
      fail(signal?.reason)
    }
    const begin = () => {
      if (signal?.aborted === true) return onAbort()
      signal?.addEventListener("abort", onAbort)
      stop = start({
        emit: (value) => {
          if (isOver) return
          latest = { value }
          settle()
        },
        fail,
        end: () => {
          finish()
          settle()
        }
      })
      // It ended before it returned its clean-up.
      if (isOver) stop()
    }
    let isBegun = false
    return {
      next: () => {
        waiting ??= Promise.withResolvers()
        const { promise } = waiting
        if (!isBegun) {
          isBegun = true
          begin()
        }
        settle()
        return promise
      },
      return: () => {
        isBegun = true
        latest = undefined
        finish()
        settle()
        return Promise.resolve({ done: true, value: undefined })
      }
    }
  }
})
