/** Scheduled functions ("jobs"), stored as documents of the system table that `ctx.db.system` reads. */
import type { JSONValue, Value } from "convex/values"
import { SCHEDULED_FUNCTIONS } from "../storage/catalog.ts"
import type { ConvexFunction } from "../functions/functions.ts"
import { canonicalPath, type FunctionAddress, pathOf } from "../values/function-path.ts"
import { after, encodeKey, successor } from "../values/keys.ts"
import { limits } from "../values/limits.ts"
import type { FunctionHost } from "./invocation.ts"
import type { SweepPosition } from "../values/calls.ts"
import type { Transaction } from "../query/transaction.ts"
import { checkPassable, type Document, fromJson, parseDocument } from "../values/values.ts"
import { insertSystem, replaceSystem } from "../query/writes.ts"

type JobState =
  | { readonly kind: "pending" | "inProgress" | "success" | "canceled" }
  | { readonly kind: "failed"; readonly error: string }

export interface Job extends Document {
  /** `module.js:name` */
  readonly name: string
  readonly args: Array<Value>
  /** Milliseconds since 1970. */
  readonly scheduledTime: number
  readonly completedTime?: number
  readonly state: JobState
}

export const insertJob = (
  host: Pick<FunctionHost, "lookup">,
  transaction: Transaction,
  request: FunctionAddress & { readonly args: JSONValue; readonly ts: number }
): string => {
  const found = jobFunction(host, pathOf(request))
  const size = Buffer.byteLength(JSON.stringify(request.args))
  if (size > limits.scheduledArgumentBytes) {
    throw new Error(
      `The arguments of the scheduled function ${found.path} are too large (actual: ${size} bytes, limit: ${limits.scheduledArgumentBytes} bytes)`
    )
  }
  const args = [fromJson(request.args) ?? {}]
  checkPassable(args)
  return insertSystem(transaction, SCHEDULED_FUNCTIONS, {
    args,
    name: found.path.replace(/:(?=[^:]*$)/, ".js:"),
    scheduledTime: request.ts * 1000,
    state: { kind: "pending" }
  })
}

/** The function that a job runs: a mutation or an action, public or not. */
export const jobFunction = (host: Pick<FunctionHost, "lookup">, path: string): ConvexFunction => {
  const found = host.lookup(canonicalPath(path))
  if (found === undefined) throw new Error(`Attempted to schedule function at nonexistent path: ${path}`)
  if (found.kind === "query") throw new Error(`Unsupported function type for scheduling: ${path} is a query.`)
  return found
}

/** A pending job will not run; a running one is only marked. */
export const cancelJob = (transaction: Transaction, id: string): void => {
  if (!transaction.catalog.isId(id, SCHEDULED_FUNCTIONS))
    throw new Error(`'${id}' is not the ID of a scheduled function.`)
  const job = readJob(transaction, id)
  if (job !== null && !isOver(job)) endJob(transaction, job, { kind: "canceled" })
}

/** Whether the job has ended. */
export const isOver = ({ state }: Job): boolean => state.kind !== "pending" && state.kind !== "inProgress"

export const readJob = (transaction: Transaction, id: string): Job | null => {
  const json = transaction.get(id)
  return json === null ? null : (parseDocument(json) as Job)
}

export const startJob = (transaction: Transaction, job: Job): void =>
  replaceSystem(transaction, { ...job, state: { kind: "inProgress" } })

export const endJob = (transaction: Transaction, job: Job, state: JobState): void =>
  replaceSystem(transaction, { ...job, completedTime: Date.now(), state })

/** The position of a job in the index that `jobsIn` scans. */
export const placeOf = ({ _creationTime, _id, scheduledTime, state }: Job): SweepPosition => [
  state.kind,
  scheduledTime,
  _creationTime,
  _id
]

/** Jobs in a state by their scheduled time, up to and including `until`, after the position `from`. */
export function* jobsIn(
  transaction: Transaction,
  kind: JobState["kind"],
  until: number,
  from: SweepPosition | null = null
): Generator<Job> {
  const index = transaction.catalog.table(SCHEDULED_FUNCTIONS).indexes.get("by_state")!
  const low = from === null ? encodeKey([kind]) : after(encodeKey(from))
  const range = { high: successor(encodeKey([kind, until])), index, low }
  for (const row of transaction.scan(range, "asc", 1)) yield parseDocument(row.json) as Job
}
