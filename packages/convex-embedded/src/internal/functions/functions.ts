/** The functions of a deployment. */
import type { HttpRouter } from "convex/server"
import type { JSONValue, ValidatorJSON } from "convex/values"
import type { AuthProvider } from "../values/identity.ts"
import type { SchemaJson } from "../storage/catalog.ts"

export type FunctionKind = "query" | "mutation" | "action"

export interface ConvexFunction {
  /** `folder/module:name` */
  readonly path: string
  readonly kind: FunctionKind
  /** Whether clients may call it. */
  readonly isPublic: boolean
  readonly args: ValidatorJSON
  readonly returns: ValidatorJSON | null
  /** Takes the arguments as a JSON array and returns the result as JSON text. */
  readonly invoke: (argumentsJson: string) => Promise<string>
}

/** The schedule of a cron job in `crons.ts`. Days and hours are in UTC. */
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
