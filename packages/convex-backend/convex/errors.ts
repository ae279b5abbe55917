/**
 * How a function refuses: `ConvexError` with a code that programs branch on and a sentence that people read.
 *
 * @since 0.1.0
 */
import { ConvexError } from "convex/values"

/**
 * - `Unauthenticated`: no identity came with the call; sign in.
 * - `NotFound`: there is no such row, or it is not yours (the two are told apart to nobody).
 * - `WrongSecret`: there is no worker with this id and secret; pair again.
 * - `Revoked`: the worker's approval was taken back; pair again.
 * - `Fenced`: another process took this worker's lease over; stop writing.
 * - `Conflict`: the row is in a state that does not allow the call; read it again.
 * - `InvalidArgument`: the message names the field and what would be right.
 * - `RateLimited`: try again later.
 * - `Expired`: the time to do this is over; start again.
 * - `Disabled`: the deployment's environment turns this off.
 *
 * @category errors
 * @since 0.1.0
 */
export type RefusalCode =
  | "Unauthenticated"
  | "NotFound"
  | "WrongSecret"
  | "Revoked"
  | "Fenced"
  | "Conflict"
  | "InvalidArgument"
  | "RateLimited"
  | "Expired"
  | "Disabled"

/**
 * What a caller finds in `ConvexError.data`.
 *
 * @category errors
 * @since 0.1.0
 */
export type Refusal = { readonly code: RefusalCode; readonly message: string }

/**
 * A refusal to `throw`; everything that the function wrote is rolled back.
 *
 * @category constructors
 * @since 0.1.0
 */
export const refusal = (code: RefusalCode, message: string): ConvexError<Refusal> => new ConvexError({ code, message })
