/**
 * Everything that can go wrong between a program and its Convex deployment, as ONE error with a tagged `reason`.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"

/**
 * The deployment's address cannot be used. Recovery: another address.
 *
 * @category reasons
 * @since 0.1.0
 */
export class InvalidUrl extends Schema.TaggedClass<InvalidUrl>()("InvalidUrl", {
  /** What is wrong with it, without repeating what may hold a password. */
  problem: Schema.String
}) {
  get message() {
    return `The deployment's URL ${this.problem}. It looks like https://happy-otter-123.convex.cloud or http://127.0.0.1:3210.`
  }
}

/**
 * There was no connection within the limit. Recovery: call again; it is waited for, not lost. A mutation may still be
 * carried out when the connection returns, so give it an idempotency key.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Unreachable extends Schema.TaggedClass<Unreachable>()("Unreachable", { millis: Schema.Finite }) {
  get message() {
    return `There was no connection to the deployment for ${this.millis} ms. Check the address and the network; it goes on by itself.`
  }
}

/**
 * The deployment is connected and gave no answer within the limit. Recovery: as for `Unreachable`.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Timeout extends Schema.TaggedClass<Timeout>()("Timeout", { millis: Schema.Finite }) {
  get message() {
    return `The deployment gave no answer within ${this.millis} ms. It may still carry the call out.`
  }
}

/**
 * The function refused with a `ConvexError`; nothing was written. Recovery: what the code says. `Fenced`, `Revoked` and
 * `WrongSecret` mean that this process must stop writing as its worker.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Rejected extends Schema.TaggedClass<Rejected>()("Rejected", {
  /** `data.code`, or `ConvexError` where the function gave none. */
  code: Schema.String,
  message: Schema.String,
  /** `ConvexError.data` as it came. */
  data: Schema.Unknown
}) {}

/**
 * The function failed, or the deployment refused its arguments. Recovery: none by repeating; read `message`.
 *
 * @category reasons
 * @since 0.1.0
 */
export class FunctionFailed extends Schema.TaggedClass<FunctionFailed>()("FunctionFailed", {
  /** The deployment's own words, with the secrets of the call taken out. */
  message: Schema.String
}) {}

/**
 * The client was closed. Recovery: a new client.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Closed extends Schema.TaggedClass<Closed>()("Closed", { detail: Schema.String }) {
  get message() {
    return `The connection is closed: ${this.detail}.`
  }
}

/**
 * @category reasons
 * @since 0.1.0
 */
export type Reason = InvalidUrl | Unreachable | Timeout | Rejected | FunctionFailed | Closed

/**
 * What every operation of this package fails with. Match on `reason`, which says how to recover.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConvexSyncError extends Schema.TaggedError<ConvexSyncError>()("ConvexSyncError", {
  /** What was attempted: a function's name as `module:function`, or `connect`. */
  operation: Schema.String,
  reason: Schema.Union([InvalidUrl, Unreachable, Timeout, Rejected, FunctionFailed, Closed])
}) {
  override get message() {
    return `${this.operation}: ${this.reason.message}`
  }
}

/**
 * Whether the same call may succeed later, unchanged. Its outcome is unknown: repeat only what is idempotent.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isTransient = (error: ConvexSyncError): boolean =>
  error.reason._tag === "Unreachable" || error.reason._tag === "Timeout"

const losses: ReadonlySet<string> = new Set(["Fenced", "Revoked", "WrongSecret"])

/**
 * Whether this process may not write as its worker any more.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isLoss = (error: ConvexSyncError): boolean =>
  error.reason._tag === "Rejected" && losses.has(error.reason.code)
