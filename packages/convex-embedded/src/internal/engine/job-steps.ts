/**
 * The state transitions of jobs, one transaction each.
 *
 * Invariants
 * - A mutation and the end of its job are one commit: it takes effect exactly once, even if the process crashes.
 * - The start of an action is committed before it runs: it runs at most once. Actions that a crashed process had started
 *   are marked as failed.
 * - The state of an ended job does not change.
 */
import { convexToJson, type JSONValue, type Value } from "convex/values"
import type { Engine } from "./engine.ts"
import { executionOf } from "./invocation.ts"
import { canonicalPath } from "../values/function-path.ts"
import { endJob, isOver, type Job, jobFunction, jobsIn, placeOf, readJob, startJob } from "./jobs.ts"
import type { SweepPosition } from "../values/calls.ts"
import { removeSystem } from "../query/writes.ts"

/** Retention of ended jobs: a week, as in Convex. */
const KEPT_MILLIS = 7 * 24 * 3_600_000

/** All other requests wait for one step: it removes some hundred jobs with small arguments, or one with large ones. */
const STEP_MILLIS = 10

const ENDED = ["success", "failed", "canceled"] as const

export interface DueJob {
  readonly id: string
  readonly path: string
  readonly args: JSONValue
  /** Milliseconds since 1970. */
  readonly scheduledTime: number
}

/** Marks actions that a previous process had started as failed. */
export const recoverJobs = (engine: Engine): Promise<void> =>
  engine.writeUnlimited((transaction) => {
    for (const job of jobsIn(transaction, "inProgress", Infinity)) {
      endJob(transaction, job, { error: "The deployment stopped while the action ran.", kind: "failed" })
    }
  })

/** Removes expired jobs after the position `from`, for `STEP_MILLIS`. Returns where to continue. */
export const sweepJobs = (engine: Engine, from: SweepPosition | null): Promise<SweepPosition | null> =>
  engine.writeUnlimited((transaction) => {
    const until = Date.now() - KEPT_MILLIS
    const end = performance.now() + STEP_MILLIS
    let place = from
    for (const kind of ENDED) {
      if (place !== null && place[0] !== kind) continue
      for (const job of jobsIn(transaction, kind, until, place)) {
        // It may have run long after its scheduled time.
        if (job.completedTime! <= until) removeSystem(transaction, job)
        if (performance.now() >= end) return placeOf(job)
      }
      place = null
    }
    return null
  })

/** The first pending job; `actionsAreBusy` skips actions. */
export const nextJob = (engine: Engine, actionsAreBusy: boolean): Promise<DueJob | null> =>
  engine.writeUnlimited((transaction) => {
    for (const job of jobsIn(transaction, "pending", Infinity)) {
      if (!actionsAreBusy || engine.lookup(canonicalPath(job.name))?.kind !== "action") return due(job)
    }
    return null
  })

/** Runs the mutation of a job, or marks an action as started. Rejects if the mutation fails. */
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

/** `error`: `null` for success. The job may have ended already, if the answer of `beginJob` was lost after its commit. */
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
