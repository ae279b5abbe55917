/** The functions of a deployment, by their path. */
import type { HttpRouter } from "convex/server"
import type { JSONValue, ValidatorJSON } from "convex/values"
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

/** When a cron job of `crons.ts` runs; days and hours are those of UTC. */
export type CronSchedule =
  | { readonly type: "interval"; readonly seconds?: number; readonly minutes?: number; readonly hours?: number }
  | { readonly type: "hourly"; readonly minuteUTC?: number }
  | { readonly type: "daily"; readonly hourUTC: number; readonly minuteUTC?: number }
  | { readonly type: "weekly"; readonly dayOfWeek: string; readonly hourUTC: number; readonly minuteUTC?: number }
  | { readonly type: "monthly"; readonly day: number; readonly hourUTC: number; readonly minuteUTC?: number }
  | { readonly type: "cron"; readonly cron: string }

export interface CronDefinition {
  /** The path of its function. */
  readonly name: string
  readonly args: ReadonlyArray<JSONValue>
  readonly schedule: CronSchedule
}

export interface Functions {
  readonly byPath: ReadonlyMap<string, ConvexFunction>
  readonly schema: SchemaJson | null
  readonly authProviders: ReadonlyArray<AuthProvider>
  readonly http: HttpRouter | null
  readonly crons: ReadonlyMap<string, CronDefinition>
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

export const HANDLE = "function://;"

export const functionHandle = (path: string): string => HANDLE + path

export const pathOf = ({ functionHandle: handle, name, reference }: FunctionAddress): string => {
  if (name !== undefined) return canonicalPath(name)
  if (handle?.startsWith(HANDLE)) return handle.slice(HANDLE.length)
  throw new Error(`Components are not supported by convex-embedded: ${reference ?? handle}`)
}
