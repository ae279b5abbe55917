/** Turns what the Convex client throws into a typed error. */
import { Predicate } from "effect"
import { ConvexError } from "convex/values"
import { ConvexSyncError, FunctionFailed, Rejected } from "../ConvexSyncError.ts"

/** The deployment repeats refused arguments in its message; this argument must not get into a log. */
const secretOf = (args: unknown): string | undefined =>
  Predicate.hasProperty(args, "secret") && Predicate.isString(args.secret) && args.secret !== ""
    ? args.secret
    : undefined

const textOf = (cause: unknown, args: unknown): string => {
  const text = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+Called by client$/, "")
  const secret = secretOf(args)
  return secret === undefined ? text : text.replaceAll(secret, "<redacted>")
}

const property = (data: unknown, name: string): string | undefined => {
  if (!Predicate.hasProperty(data, name)) return undefined
  const value = data[name]
  return Predicate.isString(value) ? value : undefined
}

export const fromCause = (operation: string, args: unknown, cause: unknown): ConvexSyncError => {
  if (!(cause instanceof ConvexError)) {
    return new ConvexSyncError({ operation, reason: new FunctionFailed({ message: textOf(cause, args) }) })
  }
  const data: unknown = cause.data
  const code = property(data, "code") ?? "ConvexError"
  const message = property(data, "message") ?? textOf(cause, args)
  return new ConvexSyncError({ operation, reason: new Rejected({ code, message, data }) })
}
