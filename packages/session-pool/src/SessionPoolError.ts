/** @since 0.1.0 */
import { Schema } from "effect"

/**
 * `maxWaiting` callers wait already. Recovery: shed the work, or try again later.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooManyWaiting extends Schema.TaggedError<TooManyWaiting>()("TooManyWaiting", {
  /** Callers that waited when this one was turned away. */
  waiting: Schema.Int,
  /** Places that the pool has. */
  capacity: Schema.Int
}) {
  override get message() {
    return `${this.waiting} callers wait already for one of ${this.capacity} places: try again later, or raise maxWaiting or capacity`
  }
}

/**
 * The pool drains or is closed: it begins nothing new. Recovery: none in this pool.
 *
 * @category errors
 * @since 0.1.0
 */
export class Draining extends Schema.TaggedError<Draining>()("Draining", {}) {
  override get message() {
    return "The pool is shutting down and begins nothing new: use another pool, or none"
  }
}

/**
 * Some resources were still in use at the end of the drain's limit. Nobody was interrupted: each is closed when its
 * holders leave. Recovery: interrupt the holders, or drain again to go on waiting.
 *
 * @category errors
 * @since 0.1.0
 */
export class DrainTimeout extends Schema.TaggedError<DrainTimeout>()("DrainTimeout", {
  /** Resources that were not closed yet. */
  resident: Schema.Int,
  limitMillis: Schema.Finite
}) {
  override get message() {
    return `${this.resident} resources were still open after ${this.limitMillis} ms: interrupt their holders, or drain again to go on waiting`
  }
}

/**
 * An option of `make` is out of its range. It is a mistake in the program, so `make` dies with it.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidOption extends Schema.TaggedError<InvalidOption>()("InvalidOption", {
  option: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  override get message() {
    return `The option ${this.option} must be ${this.expected}, and was ${this.actual}`
  }
}

const Reason = Schema.Union([TooManyWaiting, Draining, DrainTimeout, InvalidOption])

/**
 * The one error of this package. `reason` says which of its failures it is; each reason's comment says how to recover.
 *
 * @category errors
 * @since 0.1.0
 */
export class SessionPoolError extends Schema.TaggedError<SessionPoolError>()("SessionPoolError", {
  reason: Reason
}) {
  override get message() {
    return this.reason.message
  }
}
