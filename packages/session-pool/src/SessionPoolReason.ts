/** The failures of this package, one class each: `SessionPoolError.reason` holds one of them. */
import * as Data from "effect/Data"

/** `maxWaiting` callers are already waiting. Recovery: reject the work, or retry later. */
export class TooManyWaiting extends Data.TaggedError("TooManyWaiting")<{
  /** Callers that were waiting when this one was rejected. */
  readonly waiting: number
  /** Slots of the pool. */
  readonly capacity: number
}> {
  override get message() {
    return `${this.waiting} callers are already waiting for one of ${this.capacity} slots. Retry later, or raise maxWaiting or capacity.`
  }
}

/** The pool is draining or closed. Recovery: none in this pool. */
export class Draining extends Data.TaggedError("Draining") {
  override get message() {
    return "The pool is shutting down and accepts no new work."
  }
}

/**
 * Some resources were still in use at the end of the limit of `drain`. No holder was interrupted; each resource is closed
 * when its holders leave. Recovery: interrupt the holders, or drain again to continue waiting.
 */
export class DrainTimeout extends Data.TaggedError("DrainTimeout")<{
  /** Resources that are not closed yet. */
  readonly resident: number
  readonly limitMillis: number
}> {
  override get message() {
    return `${this.resident} resources were still open after ${this.limitMillis} ms. Interrupt their holders, or drain again to continue waiting.`
  }
}

/** An option is invalid. This is a mistake in the program, so `SessionPool.make` dies with it; `createSessionPool` rejects. */
export class InvalidOption extends Data.TaggedError("InvalidOption")<{
  readonly option: string
  readonly expected: string
  readonly actual: string
}> {
  override get message() {
    return `Option ${this.option} must be ${this.expected}, but was ${this.actual}.`
  }
}

export type SessionPoolReason = TooManyWaiting | Draining | DrainTimeout | InvalidOption
