/** The reason of a failed call, from an error of the Convex client. */
import { ConvexError } from "convex/values"
import type { ClientReason } from "../ClientError.ts"

const property = (data: unknown, name: string): string | undefined => {
  const value: unknown = typeof data === "object" && data !== null ? Reflect.get(data, name) : undefined
  return typeof value === "string" ? value : undefined
}

export const reasonOf = (cause: unknown): ClientReason => {
  const message = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+Called by client$/, "")
  if (!(cause instanceof ConvexError)) return { _tag: "FunctionFailed", message }
  const data: unknown = cause.data
  return {
    _tag: "Rejected",
    code: property(data, "code") ?? "ConvexError",
    message: property(data, "message") ?? message,
    data
  }
}
