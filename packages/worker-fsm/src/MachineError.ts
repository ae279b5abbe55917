/** @since 0.1.0 */
import { Schema } from "effect"

/**
 * The machine does not take this event in this state; nothing has changed. Recovery: send one of `allowed`, or wait for a
 * state that takes it.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidTransition extends Schema.TaggedError<InvalidTransition>()("InvalidTransition", {
  machine: Schema.String,
  state: Schema.String,
  event: Schema.String,
  /** Events that the state takes; a guard may still refuse one of them. */
  allowed: Schema.Array(Schema.String)
}) {
  override get message() {
    const allowed = this.allowed.length === 0 ? "no event" : this.allowed.join(", ")
    return this.allowed.includes(this.event)
      ? `${this.machine}: every guard of ${this.event} refused it in the state ${this.state}`
      : `${this.machine}: the state ${this.state} does not take ${this.event}; it takes ${allowed}`
  }
}

/**
 * The machine reached a final state, so the awaited one never comes. Recovery: look at `state`, or at the history.
 *
 * @category errors
 * @since 0.1.0
 */
export class Ended extends Schema.TaggedError<Ended>()("Ended", {
  machine: Schema.String,
  state: Schema.String,
  awaited: Schema.Array(Schema.String)
}) {
  override get message() {
    return `${this.machine}: ended in ${this.state} while ${this.awaited.join(" or ")} was awaited`
  }
}

/**
 * The actor was disposed of. Recovery: start another one.
 *
 * @category errors
 * @since 0.1.0
 */
export class Closed extends Schema.TaggedError<Closed>()("Closed", { machine: Schema.String }) {
  override get message() {
    return `${this.machine}: the actor is closed; start another one`
  }
}

/**
 * A name or an option that the machine does not have. It is a mistake in the program. Recovery: none at run time.
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

const Reason = Schema.Union([InvalidTransition, Ended, Closed, InvalidOption])

/**
 * The one error of this package. `reason` says which of its failures it is; each reason's comment says how to recover.
 *
 * @category errors
 * @since 0.1.0
 */
export class MachineError extends Schema.TaggedError<MachineError>()("MachineError", {
  reason: Reason
}) {
  override get message() {
    return this.reason.message
  }
}
