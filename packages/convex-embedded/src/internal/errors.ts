/** How failures of functions reach their callers. */
import { randomBytes } from "node:crypto"
import type { JSONValue } from "convex/values"

/** A failure that Convex itself reports, such as wrong arguments: shown without `Uncaught`. */
export class FunctionFailure extends Error {
  override readonly name: string = "FunctionFailure"
}

export interface ErrorPayload {
  readonly errorMessage: string
  /** The data of a `ConvexError`. */
  readonly errorData?: JSONValue
}

/** What a client gets to see: the message of the failure, as a Convex development deployment shows it. */
export const errorPayload = (cause: unknown): ErrorPayload => {
  const errorMessage = `[Request ID: ${randomBytes(8).toString("hex")}] Server Error\n${shown(cause)}`
  const data = convexErrorData(cause)
  return data === undefined ? { errorMessage } : { errorData: data, errorMessage }
}

/** The data of a `ConvexError`, which the `convex` package leaves on it as JSON text; `undefined` for other failures. */
export const convexErrorData = (cause: unknown): JSONValue | undefined =>
  cause instanceof Error && "ConvexErrorSymbol" in cause && "data" in cause && typeof cause.data === "string"
    ? (JSON.parse(cause.data) as JSONValue)
    : undefined

export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

const shown = (cause: unknown): string => {
  if (cause instanceof FunctionFailure) return cause.message
  return cause instanceof Error ? `Uncaught ${cause.name}: ${cause.message}` : `Uncaught ${String(cause)}`
}

export const missingFunction = (path: string): FunctionFailure =>
  new FunctionFailure(
    `Could not find public function for '${path}'. Did you forget to run \`npx convex dev\` or \`npx convex deploy\`?`
  )
