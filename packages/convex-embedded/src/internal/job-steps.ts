/**
 * The steps of a job's life, each one a transaction.
 *
 * Invariants
 * - A mutation and the end of its job are one commit: it takes effect exactly once, whenever the process dies.
 * - The start of an action is committed before it runs: it runs at most once. One that a dead process had started
 *   is marked as failed.
 * - A job that has ended stays as it ended.
 */
import { convexToJson, type JSONValue, type Value } from "convex/values"
import { type Engine, executionOf } from "./engine.ts"
import { canonicalPath } from "./functions.ts"
import { endJob, isOver, type Job, jobFunction, jobsIn, placeOf, readJob, startJob } from "./jobs.ts"
import type { Place } from "./sweep.ts"

/** Ended jobs stay readable for a week, as in Convex. */
const KEPT_MILLIS = 7 * 24 * 3_600_000

/** Everybody else waits for a step so long: it removes some hundred jobs with small arguments, or one with large ones. */
const STEP_MILLIS = 10

const ENDED = ["success", "failed", "canceled"] as const

export interface DueJob {
  readonly id: string
  readonly path: string
  readonly args: JSONValue
  /** Milliseconds since 1970. */
  readonly scheduledTime: number
}

/** Settles what a process that ended has left. */
export const recoverJobs = (engine: Engine): Promise<void> =>
  engine.writeUnlimited((transaction) => {
    for (const job of jobsIn(transaction, "inProgress", Infinity)) {
      endJob(transaction, job, { error: "The deployment stopped while the action ran.", kind: "failed" })
    }
  })

/** A step of removing what ended long ago, behind the place `from`: gives where the next one goes on. */
export const forgetJobs = (engine: Engine, from: Place | null): Promise<Place | null> =>
  engine.writeUnlimited((transaction) => {
    const until = Date.now() - KEPT_MILLIS
    const end = performance.now() + STEP_MILLIS
    let place = from
    for (const kind of ENDED) {
      if (place !== null && place[0] !== kind) continue
      for (const job of jobsIn(transaction, kind, until, place)) {
        // It may have run long after the time that it was scheduled for.
        if (job.completedTime! <= until) transaction.removeSystem(job)
        if (performance.now() >= end) return placeOf(job)
      }
      place = null
    }
    return null
  })

/** The first job that could run: while all actions are busy, only mutations can. */
export const nextJob = (engine: Engine, actionsAreBusy: boolean): Promise<DueJob | null> =>
  engine.writeUnlimited((transaction) => {
    for (const job of jobsIn(transaction, "pending", Infinity)) {
      if (!actionsAreBusy || engine.lookup(canonicalPath(job.name))?.kind !== "action") return due(job)
    }
    return null
  })

/** Runs the mutation of a job, or marks an action as started. Fails as the mutation does. */
export const beginJob = (engine: Engine, { args, id, path }: DueJob): Promise<"done" | "action"> =>
  engine.write(async (transaction) => {
    const job = readJob(transaction, id)
    if (job?.state.kind !== "pending") return "done"
    const found = jobFunction(engine, path)
    if (found.kind === "action") {
      startJob(transaction, job)
      return "action"
    }
    await engine.invoke(found, args, executionOf(null), transaction)
    endJob(transaction, job, { kind: "success" })
    return "done"
  })

/** `error`: why it failed; `null` when it did not. A job may have ended before: `beginJob` can commit and not answer. */
export const finishJob = (engine: Engine, id: string, error: string | null): Promise<void> =>
  engine.write((transaction) => {
    const job = readJob(transaction, id)
    if (job === null || isOver(job)) return
    endJob(transaction, job, error === null ? { kind: "success" } : { error, kind: "failed" })
  })

const due = (job: Job): DueJob => ({
  args: convexToJson(job.args[0] as Value),
  id: job._id,
  path: job.name,
  scheduledTime: job.scheduledTime
})
