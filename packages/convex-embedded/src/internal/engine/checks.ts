/** The checks of arguments and results against limits and validators. */
import type { JSONValue, Value } from "convex/values"
import type { ConvexFunction } from "../functions/functions.ts"
import { FunctionFailure, messageOf } from "../values/errors.ts"
import { nestingOf, tooNested } from "../values/json.ts"
import { limits } from "../values/limits.ts"
import { type IdCheck, mismatch } from "../values/validators.ts"
import { checkPassable, fromJson } from "../values/values.ts"

/** Returns the arguments as JSON text. */
export const checkArguments = (found: ConvexFunction, args: JSONValue, isId: IdCheck): string => {
  const json = JSON.stringify(args)
  const size = Buffer.byteLength(json)
  if (size > limits.argumentBytes) {
    throw new FunctionFailure(
      `Function ${found.path} arguments size is too large (actual: ${size} bytes, limit: ${limits.argumentBytes} bytes)`
    )
  }
  const reason = mismatch(found.args, argumentOf(found, args), isId)
  if (reason !== null) throw new FunctionFailure(`ArgumentValidationError: ${reason}`)
  return json
}

/** `json`: the result as JSON text. */
export const checkResult = (found: ConvexFunction, json: string, isId: IdCheck): void => {
  const size = Buffer.byteLength(json)
  if (size > limits.returnBytes) {
    throw new FunctionFailure(
      `Function ${found.path} return value is too large (actual: ${size} bytes, limit: ${limits.returnBytes} bytes)`
    )
  }
  const levels = nestingOf(json)
  if (levels > limits.nesting) {
    const why = tooNested("Value", levels, limits.nesting)
    throw new FunctionFailure(`Function ${found.path} return value invalid: ${why}`)
  }
  if (found.returns === null) return
  const reason = mismatch(found.returns, fromJson(JSON.parse(json) as JSONValue), isId)
  if (reason !== null) throw new FunctionFailure(`ReturnsValidationError: ${reason}`)
}

const argumentOf = (found: ConvexFunction, args: JSONValue): Value | undefined => {
  try {
    const argument = fromJson(args)
    checkPassable([argument])
    return argument
  } catch (cause) {
    throw new FunctionFailure(`Invalid arguments for ${found.path}: ${messageOf(cause)}`)
  }
}
