import { Schema } from "effect"

/** No port could be opened on 127.0.0.1. Recovery: none in the test; free a port or the address. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  /** The part that failed to listen. */
  who: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The ${this.who} could not listen on 127.0.0.1: ${String(this.cause)}`
  }
}

/** A folder or file of the home could not be written. Recovery: choose a writable folder. */
export class HomeNotWritable extends Schema.TaggedError<HomeNotWritable>()("HomeNotWritable", {
  path: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `The OpenCode home could not be written at ${this.path}: ${String(this.cause)}`
  }
}

/** `git` is missing or failed. Recovery: install it, or use `git: false`. */
export class GitFailed extends Schema.TaggedError<GitFailed>()("GitFailed", {
  command: Schema.String,
  path: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `"${this.command}" failed in ${this.path}; install git or pass { git: false }: ${String(this.cause)}`
  }
}

/** The error of this package. `reason` is the cause, `message` names the cause and the remedy. */
export class TestkitError extends Schema.TaggedError<TestkitError>()("TestkitError", {
  reason: Schema.Union([ListenFailed, HomeNotWritable, GitFailed])
}) {
  override get message() {
    return this.reason.message
  }
}
