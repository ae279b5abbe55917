/**
 * The cron jobs of `crons.ts`. A due cron job schedules a function in the same commit that sets its next time, so its runs
 * have the guarantees of scheduled functions. Runs that were missed while no process served are made up by one run.
 */
import type { JSONValue } from "convex/values"
import { CRON_JOBS } from "../storage/catalog.ts"
import type { Engine } from "./engine.ts"
import { nextRun } from "../functions/cron-schedule.ts"
import type { CronDefinition } from "../functions/functions.ts"
import { insertJob, isOver, readJob } from "./jobs.ts"
import { HIGHEST, LOWEST } from "../values/keys.ts"
import type { Transaction } from "../query/transaction.ts"
import { type Document, parseDocument } from "../values/values.ts"
import { insertSystem, removeSystem, replaceSystem } from "../query/writes.ts"

interface CronJob extends Document {
  readonly name: string
  /** As JSON text. A changed declaration is a new cron job. */
  readonly definition: string
  /** Milliseconds since 1970. */
  readonly nextTime: number
  /** The id of the last scheduled function. */
  readonly lastJob?: string
}

/** Adds and removes cron jobs as declared; unchanged ones keep their next time. */
export const syncCrons = (engine: Engine): Promise<void> =>
  engine.writeUnlimited((transaction) => {
    const declared = engine.functions.crons
    const known = new Map(cronJobs(transaction).map((job) => [job.name, job]))
    for (const [name, job] of known) {
      const definition = declared.get(name)
      if (definition === undefined || JSON.stringify(definition) !== job.definition) {
        removeSystem(transaction, job)
        known.delete(name)
      }
    }
    for (const [name, definition] of declared) {
      if (known.has(name)) continue
      const { schedule } = definition
      const nextTime = schedule.type === "interval" ? Date.now() : nextRun(name, schedule, Date.now())
      insertSystem(transaction, CRON_JOBS, { definition: JSON.stringify(definition), name, nextTime })
    }
  })

/** Schedules due functions. Returns the time of the next cron job; `Infinity` if there is none. */
export const runCrons = (engine: Engine): Promise<number> =>
  engine.writeUnlimited((transaction) => {
    for (const job of cronJobs(transaction)) if (job.nextTime <= Date.now()) runCron(engine, transaction, job)
    return Math.min(...cronJobs(transaction).map((job) => job.nextTime))
  })

/** Skips this time if the previous run has not ended. */
const runCron = (engine: Engine, transaction: Transaction, job: CronJob): void => {
  const { args, name: path, schedule } = JSON.parse(job.definition) as CronDefinition
  const nextTime = nextRun(job.name, schedule, Math.max(Date.now(), job.nextTime))
  const last = job.lastJob === undefined ? null : readJob(transaction, job.lastJob)
  if (last !== null && !isOver(last)) return replaceSystem(transaction, { ...job, nextTime })
  const argument: JSONValue = args[0] ?? {}
  const lastJob = insertJob(engine, transaction, { args: argument, name: path, ts: job.nextTime / 1000 })
  replaceSystem(transaction, { ...job, lastJob, nextTime })
}

const cronJobs = (transaction: Transaction): ReadonlyArray<CronJob> => {
  const index = transaction.catalog.table(CRON_JOBS).indexes.get("by_creation_time")!
  const rows = transaction.scan({ high: HIGHEST, index, low: LOWEST }, "asc", 64)
  return Array.from(rows, (row) => parseDocument(row.json) as CronJob)
}
