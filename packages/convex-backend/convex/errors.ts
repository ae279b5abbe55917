/**
 * The errors of all functions: a `ConvexError` with a code for programs and a message for people.
 */
import { ConvexError } from "convex/values"

/**
 * - `Unauthenticated`: no identity came with the call; sign in.
 * - `NotFound`: there is no such row, or it is not yours (the two cases are not distinguished).
 * - `WrongSecret`: there is no worker with this id and secret; pair again.
 * - `Revoked`: the worker's approval, or the operator's device, was revoked; pair again.
 * - `Forbidden`: the scope of the device does not permit the call; use another device, or pair it with a higher scope.
 * - `Fenced`: another process has taken over the lease of this worker; stop writing.
 * - `Incompatible`: the worker and the deployment have releases that are too far apart; update the one that the message names.
 * - `Conflict`: the row is in a state that does not allow the call; read it again.
 * - `InvalidArgument`: the message names the field and the accepted values.
 * - `RateLimited`: try again later.
 * - `Expired`: the time limit has passed; start again.
 * - `QueryFailed`: the worker could not answer the query; the message is its reason.
 * - `Disabled`: the deployment's environment turns this off.
 */
export type ErrorCode =
  | "Unauthenticated"
  | "NotFound"
  | "WrongSecret"
  | "Revoked"
  | "Forbidden"
  | "Fenced"
  | "Incompatible"
  | "Conflict"
  | "InvalidArgument"
  | "RateLimited"
  | "Expired"
  | "QueryFailed"
  | "Disabled"

/** The `data` of the `ConvexError`. */
export type ErrorData = { readonly code: ErrorCode; readonly message: string }

/**
 * Creates an error to throw. All writes of the function are rolled back.
 */
export const appError = (code: ErrorCode, message: string): ConvexError<ErrorData> => new ConvexError({ code, message })
