/** System calls: the operations that the `convex` package requests by name, as JSON in and JSON out. */
import type { JSONValue } from "convex/values"
import { failureOf } from "../values/errors.ts"
import { type FunctionAddress, functionHandle, pathOf } from "../values/function-path.ts"
import type { FunctionHost } from "./invocation.ts"

export type Operations = Record<string, (argument: never) => string | Promise<string>>

export type RunArgument = FunctionAddress & { readonly args: JSONValue }

export const dispatch = (operations: Operations, name: string, argument: string): string | Promise<string> => {
  if (!Object.hasOwn(operations, name)) throw notSupported(name)
  return operations[name]!(JSON.parse(argument) as never)
}

export const notSupported = (name: string) => new Error(`${name} is not supported by convex-embedded.`)

/** Rethrows the failure of a called function as the `convex` package expects it: the data of a `ConvexError` as a property. */
export const rethrowing = async (run: () => Promise<string>): Promise<string> => {
  try {
    return await run()
  } catch (cause) {
    const { data, message } = failureOf(cause)
    throw data === undefined ? cause : Object.assign(new Error(message), { data })
  }
}

/** Returns the handle of a function as JSON text. */
export const handleOf = (host: Pick<FunctionHost, "lookup">, address: FunctionAddress): string => {
  const path = pathOf(address)
  if (host.lookup(path) === undefined) throw new Error(`No function exists at '${path}'.`)
  return JSON.stringify(functionHandle(path))
}

/** Metadata of a local deployment in the smallest class. */
export const DEPLOYMENT = JSON.stringify({ class: "s16", name: "local-convex-embedded", region: null })

export const metadata = (path: string): string => JSON.stringify({ componentPath: "", name: path })
