/** The representation of failures between functions, threads and clients. */
import { randomBytes } from "node:crypto"
import type { JSONValue } from "convex/values"
import { ConvexEmbeddedError, type ConvexEmbeddedErrorCode } from "../../ConvexEmbeddedError.ts"
import { nestingOf, tooNested } from "./json.ts"
import { limits } from "./limits.ts"

/** A failure that Convex itself reports, such as wrong arguments: shown without `Uncaught`. */
export class FunctionFailure extends Error {
  override readonly name: string = "FunctionFailure"
}

/** A failure as it crosses between threads. */
export interface FailureJson {
  readonly message: string
  /** The message for clients. */
  readonly shown: string
  /** The data of a `ConvexError`. */
  readonly data?: JSONValue
  readonly code?: ConvexEmbeddedErrorCode
}

/** A failure from another thread. */
export class RemoteFailure extends Error {
  override readonly name: string = "RemoteFailure"
  readonly failure: FailureJson

  constructor(failure: FailureJson) {
    super(failure.message)
    this.failure = failure
  }
}

/** Accepts any thrown value, and never throws. */
export const failureOf = (cause: unknown): FailureJson => {
  if (cause instanceof RemoteFailure) return cause.failure
  const data = convexErrorData(cause)
  const levels = data === undefined ? 0 : nestingOf(data)
  if (levels > limits.nesting) {
    return failureOf(new FunctionFailure(tooNested("The data of a ConvexError", levels, limits.nesting)))
  }
  return {
    message: messageOf(cause),
    shown: shown(cause),
    ...(data === undefined ? {} : { data: parsed(data) }),
    ...(cause instanceof ConvexEmbeddedError ? { code: cause.code } : {})
  }
}

export const revive = (failure: FailureJson): Error =>
  failure.code === undefined ? new RemoteFailure(failure) : new ConvexEmbeddedError(failure.code, failure.message)

export interface ErrorPayload {
  readonly errorMessage: string
  readonly errorData?: JSONValue
}

/** The failure as clients receive it: with its message, as from a Convex development deployment. */
export const errorPayload = ({ data, shown: text }: FailureJson): ErrorPayload => {
  const errorMessage = `[Request ID: ${randomBytes(8).toString("hex")}] Server Error\n${text}`
  return data === undefined ? { errorMessage } : { errorData: data, errorMessage }
}

/** The data of a `ConvexError`, which the `convex` package stores as JSON text; `undefined` for other failures. */
const convexErrorData = (cause: unknown): string | undefined =>
  cause instanceof Error && "ConvexErrorSymbol" in cause && "data" in cause && typeof cause.data === "string"
    ? cause.data
    : undefined

/** In an HTTP action the data are not encoded, and may be any string. */
const parsed = (data: string): JSONValue => {
  try {
    return JSON.parse(data) as JSONValue
  } catch {
    return data
  }
}

export const messageOf = (cause: unknown): string => (cause instanceof Error ? textOf(cause.message) : textOf(cause))

const shown = (cause: unknown): string => {
  if (cause instanceof FunctionFailure) return cause.message
  return cause instanceof Error ? `Uncaught ${textOf(cause.name)}: ${messageOf(cause)}` : `Uncaught ${messageOf(cause)}`
}

/** The conversion of a thrown value to a string may itself throw. */
const textOf = (value: unknown): string => {
  try {
    return String(value)
  } catch {
    return "a value that cannot be shown"
  }
}

export const missingFunction = (path: string): FunctionFailure =>
  new FunctionFailure(
    `Could not find public function for '${path}'. Did you forget to run \`npx convex dev\` or \`npx convex deploy\`?`
  )

export const timedOut = (milliseconds: number): FunctionFailure =>
  new FunctionFailure(`Function execution timed out (maximum duration: ${milliseconds / 1000}s)`)
