/** Scheduled functions, kept as documents of the system table that `ctx.db.system` shows. */
import type { JSONValue, Value } from "convex/values"
import { SCHEDULED_FUNCTIONS } from "./catalog.ts"
import type { Engine } from "./engine.ts"
import { type ConvexFunction, canonicalPath, type FunctionAddress, pathOf } from "./functions.ts"
import { after, encodeKey, successor } from "./keys.ts"
import { limits } from "./limits.ts"
import type { Place } from "./sweep.ts"
import type { Transaction } from "./transaction.ts"
import { checkPassable, type Document, fromJson, parseDocument } from "./values.ts"

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
  engine: Engine,
  transaction: Transaction,
  request: FunctionAddress & { readonly args: JSONValue; readonly ts: number }
): string => {
  const found = jobFunction(engine, pathOf(request))
  const size = Buffer.byteLength(JSON.stringify(request.args))
  if (size > limits.scheduledArgumentBytes) {
    throw new Error(
      `The arguments of the scheduled function ${found.path} are too large (actual: ${size} bytes, limit: ${limits.scheduledArgumentBytes} bytes)`
    )
  }
  const args = [fromJson(request.args) ?? {}]
  checkPassable(args)
  return transaction.insertSystem(SCHEDULED_FUNCTIONS, {
    args,
    name: found.path.replace(/:(?=[^:]*$)/, ".js:"),
    scheduledTime: request.ts * 1000,
    state: { kind: "pending" }
  })
}

/** The function that a job runs: a mutation or an action, public or not. */
export const jobFunction = (engine: Engine, path: string): ConvexFunction => {
  const found = engine.lookup(canonicalPath(path))
  if (found === undefined) throw new Error(`Attempted to schedule function at nonexistent path: ${path}`)
  if (found.kind === "query") throw new Error(`Unsupported function type for scheduling: ${path} is a query.`)
  return found
}

/** A job that has not begun does not begin any more; one that has is only marked. */
export const cancelJob = (transaction: Transaction, id: string): void => {
  if (!transaction.catalog.isId(id, SCHEDULED_FUNCTIONS))
    throw new Error(`'${id}' is not the ID of a scheduled function.`)
  const job = readJob(transaction, id)
  if (job !== null && !isOver(job)) endJob(transaction, job, { kind: "canceled" })
}

/** Whether it will not change any more. */
export const isOver = ({ state }: Job): boolean => state.kind !== "pending" && state.kind !== "inProgress"

export const readJob = (transaction: Transaction, id: string): Job | null => {
  const json = transaction.get(id)
  return json === null ? null : (parseDocument(json) as Job)
}

export const startJob = (transaction: Transaction, job: Job): void =>
  transaction.replaceSystem({ ...job, state: { kind: "inProgress" } })

export const endJob = (transaction: Transaction, job: Job, state: JobState): void =>
  transaction.replaceSystem({ ...job, completedTime: Date.now(), state })

/** A job's place in the index that `jobsIn` follows. */
export const placeOf = ({ _creationTime, _id, scheduledTime, state }: Job): Place => [
  state.kind,
  scheduledTime,
  _creationTime,
  _id
]

/** Jobs in a state, by the time that they are scheduled for, up to and including `until`; behind the place `from`. */
export function* jobsIn(
  transaction: Transaction,
  kind: JobState["kind"],
  until: number,
  from: Place | null = null
): Generator<Job> {
  const index = transaction.catalog.table(SCHEDULED_FUNCTIONS).indexes.get("by_state")!
  const low = from === null ? encodeKey([kind]) : after(encodeKey(from))
  const range = { high: successor(encodeKey([kind, until])), index, low }
  for (const row of transaction.scan(range, "asc", 1)) yield parseDocument(row.json) as Job
}
