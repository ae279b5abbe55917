/** Calls of functions by the program that serves the deployment. */
import { convexToJson, jsonToConvex, type Value } from "convex/values"
import { resultOf } from "../values/calls.ts"
import { missingFunction } from "../values/errors.ts"
import { canonicalPath } from "../values/function-path.ts"
import type { Executor } from "./executor.ts"

/** Runs any function, internal ones included, without an identity. */
export const runFunction = async (executor: Executor, path: string, args: Record<string, Value>): Promise<Value> => {
  const kind = await executor.call("kindOf", canonicalPath(path))
  if (kind === null) throw missingFunction(path)
  const call = { path, args: convexToJson(args), identity: null, caller: "function" as const }
  const run = kind === "mutation" ? executor.mutation(call, null) : executor[kind](call)
  return jsonToConvex(JSON.parse(resultOf(await run)))
}
