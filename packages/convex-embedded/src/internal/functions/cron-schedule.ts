/** The times of cron jobs. */
import { Cron } from "croner"
import { messageOf } from "../values/errors.ts"
import type { CronDefinition, CronSchedule } from "./functions.ts"

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

/** Fails if the cron job can never run. */
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

/** The minute of a schedule without one: derived from the name, so that cron jobs are spread over the hour. */
const anyMinute = (name: string): number => Buffer.from(name).reduce((sum, byte) => (sum * 31 + byte) % 60, 0)
