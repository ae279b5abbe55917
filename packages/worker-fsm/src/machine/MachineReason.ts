/** The failures of this package, one class each: `MachineError.reason` holds one of them. */
import * as Data from "effect/Data"

/** The state does not accept the event; nothing changed. Recovery: send one of `allowed`, or wait for another state. */
export class InvalidTransition extends Data.TaggedError("InvalidTransition")<{
  readonly machine: string
  readonly state: string
  readonly event: string
  /** Events that the state accepts; a guard may still reject one of them. */
  readonly allowed: ReadonlyArray<string>
}> {
  override get message() {
    const allowed = this.allowed.length === 0 ? "no event" : this.allowed.join(", ")
    return this.allowed.includes(this.event)
      ? `${this.machine}: every guard of ${this.event} rejected it in state ${this.state}.`
      : `${this.machine}: state ${this.state} does not accept ${this.event}. It accepts ${allowed}.`
  }
}

/** The machine reached a final state or was closed, so the awaited state cannot follow. Recovery: read the history. */
export class Ended extends Data.TaggedError("Ended")<{
  readonly machine: string
  readonly state: string
  readonly awaited: ReadonlyArray<string>
}> {
  override get message() {
    return `${this.machine}: ended in ${this.state} while a caller waited for ${this.awaited.join(" or ")}.`
  }
}

/** The actor was disposed of. Recovery: start another one. */
export class Closed extends Data.TaggedError("Closed")<{ readonly machine: string }> {
  override get message() {
    return `${this.machine}: the actor is closed.`
  }
}

/** An option is unknown or of the wrong type. This is a mistake in the program. */
export class InvalidOption extends Data.TaggedError("InvalidOption")<{
  readonly option: string
  readonly expected: string
  readonly actual: string
}> {
  override get message() {
    return `Option ${this.option} must be ${this.expected}, but was ${this.actual}.`
  }
}

export type MachineReason = InvalidTransition | Ended | Closed | InvalidOption
