/**
 * The cron jobs of `crons.ts`. When one is due, it becomes a scheduled function in the same commit that sets its next
 * time: so each of its times is run exactly as scheduled functions are. Times missed while nobody served are run once.
 */
import type { JSONValue } from "convex/values"
import { Cron } from "croner"
import { CRON_JOBS } from "./catalog.ts"
import { messageOf } from "./errors.ts"
import type { Engine } from "./engine.ts"
import type { CronDefinition, CronSchedule } from "./functions.ts"
import { insertJob, isOver, readJob } from "./jobs.ts"
import { HIGHEST, LOWEST } from "./keys.ts"
import type { Transaction } from "./transaction.ts"
import { type Document, parseDocument } from "./values.ts"

interface CronJob extends Document {
  readonly name: string
  /** As JSON: a cron job that is declared differently is another one. */
  readonly definition: string
  /** Milliseconds since 1970. */
  readonly nextTime: number
  /** The scheduled function of its last time. */
  readonly lastJob?: string
}

/** Makes the declared cron jobs those that there are; what was there before goes on as it is. */
export const syncCrons = (engine: Engine): Promise<void> =>
  engine.writeUnlimited((transaction) => {
    const declared = engine.functions.crons
    const known = new Map(cronJobs(transaction).map((job) => [job.name, job]))
    for (const [name, job] of known) {
      const definition = declared.get(name)
      if (definition === undefined || JSON.stringify(definition) !== job.definition) {
        transaction.removeSystem(job)
        known.delete(name)
      }
    }
    for (const [name, definition] of declared) {
      if (known.has(name)) continue
      const { schedule } = definition
      const nextTime = schedule.type === "interval" ? Date.now() : nextRun(name, schedule, Date.now())
      transaction.insertSystem(CRON_JOBS, { definition: JSON.stringify(definition), name, nextTime })
    }
  })

/** Schedules what is due, and gives the time of the next cron job; `Infinity` when there is none. */
export const runCrons = (engine: Engine): Promise<number> =>
  engine.writeUnlimited((transaction) => {
    for (const job of cronJobs(transaction)) if (job.nextTime <= Date.now()) runCron(engine, transaction, job)
    return Math.min(...cronJobs(transaction).map((job) => job.nextTime))
  })

/** A time is left out while the function of the time before still runs. */
const runCron = (engine: Engine, transaction: Transaction, job: CronJob): void => {
  const { args, name: path, schedule } = JSON.parse(job.definition) as CronDefinition
  const nextTime = nextRun(job.name, schedule, Math.max(Date.now(), job.nextTime))
  const last = job.lastJob === undefined ? null : readJob(transaction, job.lastJob)
  if (last !== null && !isOver(last)) return transaction.replaceSystem({ ...job, nextTime })
  const argument: JSONValue = args[0] ?? {}
  const lastJob = insertJob(engine, transaction, { args: argument, name: path, ts: job.nextTime / 1000 })
  transaction.replaceSystem({ ...job, lastJob, nextTime })
}

const cronJobs = (transaction: Transaction): ReadonlyArray<CronJob> => {
  const index = transaction.catalog.table(CRON_JOBS).indexes.get("by_creation_time")!
  const rows = transaction.scan({ high: HIGHEST, index, low: LOWEST }, "asc", 64)
  return Array.from(rows, (row) => parseDocument(row.json) as CronJob)
}

const DAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]

/** The first time after `after`; both are milliseconds since 1970. */
export const nextRun = (name: string, schedule: CronSchedule, after: number): number => {
  if (schedule.type === "interval") {
    const seconds = (schedule.seconds ?? 0) + 60 * (schedule.minutes ?? 0) + 3600 * (schedule.hours ?? 0)
    return after + seconds * 1000
  }
  const next = new Cron(cronExpression(name, schedule), { timezone: "UTC" }).nextRun(new Date(after))
  return next === null ? Infinity : next.getTime()
}

/** Fails when the cron job can never run. */
export const checkCron = (name: string, definition: CronDefinition): void => {
  try {
    nextRun(name, definition.schedule, 0)
  } catch (cause) {
    throw new Error(`The schedule of the cron job "${name}" is invalid: ${messageOf(cause)}`, { cause })
  }
}

const cronExpression = (name: string, schedule: Exclude<CronSchedule, { type: "interval" }>): string => {
  if (schedule.type === "cron") return schedule.cron
  const minute = schedule.minuteUTC ?? anyMinute(name)
  switch (schedule.type) {
    case "hourly":
      return `${minute} * * * *`
    case "daily":
      return `${minute} ${schedule.hourUTC} * * *`
    case "weekly":
      return `${minute} ${schedule.hourUTC} * * ${DAYS.indexOf(schedule.dayOfWeek)}`
    case "monthly":
      return `${minute} ${schedule.hourUTC} ${schedule.day} * *`
  }
}

/** Without a minute, each cron job has one of its own, always the same. */
const anyMinute = (name: string): number => Buffer.from(name).reduce((sum, byte) => (sum * 31 + byte) % 60, 0)
