/** The one error of this package, with a tagged `reason` of the same names as in effect-convex. */

export type ClientReason =
  /** The function threw a `ConvexError`, so nothing was written. Recovery: as `code` says. */
  | { readonly _tag: "Rejected"; readonly code: string; readonly message: string; readonly data: unknown }
  /** The function threw another error, or its arguments were refused. Recovery: none by retrying. */
  | { readonly _tag: "FunctionFailed"; readonly message: string }
  /**
   * No connection within the time limit, or the deployment ended the connection with a fatal error. The outcome is unknown.
   * Recovery: call again with the same idempotency key.
   */
  | { readonly _tag: "Unreachable"; readonly message: string }
  /** Connected, and no response within the time limit. Recovery: as for `Unreachable`. */
  | { readonly _tag: "Timeout"; readonly message: string }
  /** The client was closed. Recovery: create another client. */
  | { readonly _tag: "Closed"; readonly message: string }

export class ClientError extends Error {
  readonly _tag = "ClientError"
  override readonly name = "ClientError"
  /** The function as `module:function`, or `connect`. */
  readonly operation: string
  readonly reason: ClientReason

  constructor(operation: string, reason: ClientReason) {
    super(`${operation}: ${reason.message}`)
    this.operation = operation
    this.reason = reason
  }
}

export const isClientError = (error: unknown): error is ClientError => error instanceof ClientError
