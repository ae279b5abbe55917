/** The functions of a deployment, by their path. */
import type { HttpRouter } from "convex/server"
import type { ValidatorJSON } from "convex/values"
import type { AuthProvider } from "./auth.ts"
import type { SchemaJson } from "./catalog.ts"

export type FunctionKind = "query" | "mutation" | "action"

export interface ConvexFunction {
  /** `folder/module:name` */
  readonly path: string
  readonly kind: FunctionKind
  /** Whether clients may call it. */
  readonly isPublic: boolean
  readonly args: ValidatorJSON
  readonly returns: ValidatorJSON | null
  /** Takes the arguments as a JSON array and gives the result as JSON. */
  readonly invoke: (argumentsJson: string) => Promise<string>
}

export interface Functions {
  readonly byPath: ReadonlyMap<string, ConvexFunction>
  readonly schema: SchemaJson | null
  readonly authProviders: ReadonlyArray<AuthProvider>
  readonly http: HttpRouter | null
}

/** `module.js:name`, `module:name` and `module` (its default export) name the same function in several ways. */
export const canonicalPath = (path: string): string => {
  const colon = path.lastIndexOf(":")
  const [module, name] = colon === -1 ? [path, "default"] : [path.slice(0, colon), path.slice(colon + 1)]
  return `${module.replace(/\.[cm]?[jt]sx?$/, "")}:${name}`
}

/** How a `ctx.run…` or scheduler call names its function. */
export interface FunctionAddress {
  readonly name?: string
  readonly functionHandle?: string
  readonly reference?: string
}

const HANDLE = "function://;"

export const functionHandle = (path: string): string => HANDLE + path

export const pathOf = ({ functionHandle: handle, name, reference }: FunctionAddress): string => {
  if (name !== undefined) return canonicalPath(name)
  if (handle?.startsWith(HANDLE)) return handle.slice(HANDLE.length)
  throw new Error(`Components are not supported by convex-embedded: ${reference ?? handle}`)
}
