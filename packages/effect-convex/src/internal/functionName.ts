/**
 * The name of a function, as `getFunctionName` of `convex/server` reads it. That module defines tables, crons and routes, too,
 * and its import takes half as long as that of the client.
 */
import type { FunctionReference } from "convex/server"

/** References of every copy of Convex carry the name under this key. */
const key = Symbol.for("functionName")

/** `module:function`. Throws for a value that is no reference, and for a path that names no function. */
export const functionName = (reference: FunctionReference<"query" | "mutation" | "action">): string => {
  const name: unknown = typeof reference === "string" ? reference : Reflect.get(reference, key)
  if (typeof name !== "string" || name === "") throw new Error("This is no reference to a function")
  return name
}
