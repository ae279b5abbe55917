/** Converts an exception of the Convex client to a typed error. */
import { ConvexClientError } from "../ConvexClientError.ts"
import { FunctionFailed, Rejected } from "../ConvexClientReason.ts"

/** The mark of a `ConvexError` of any copy of Convex. The class is in `convex/values`, next to all validators. */
const mark = Symbol.for("ConvexError")

const isConvexError = (cause: unknown): cause is Error & { readonly data: unknown } =>
  cause instanceof Error && mark in cause && "data" in cause

const stringField = (data: unknown, name: string): string | undefined => {
  if (typeof data !== "object" || data === null) return undefined
  const value: unknown = Reflect.get(data, name)
  return typeof value === "string" && value !== "" ? value : undefined
}

/** The deployment repeats refused arguments in its message. An argument named `secret` must not reach a log. */
const textOf = (cause: unknown, args: unknown): string => {
  const text = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+Called by client$/, "")
  const secret = stringField(args, "secret")
  return secret === undefined ? text : text.replaceAll(secret, "<redacted>")
}

export const fromCause = (operation: string, args: unknown, cause: unknown): ConvexClientError => {
  if (!isConvexError(cause)) {
    return new ConvexClientError({ operation, reason: new FunctionFailed({ message: textOf(cause, args) }) })
  }
  const { data } = cause
  const code = stringField(data, "code") ?? "ConvexError"
  const message = stringField(data, "message") ?? textOf(cause, args)
  return new ConvexClientError({ operation, reason: new Rejected({ code, message, data }) })
}
