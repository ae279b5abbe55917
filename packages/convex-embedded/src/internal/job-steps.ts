/**
 * The steps of a job's life, each one a transaction.
 *
 * Invariants
 * - A mutation and the end of its job are one commit: it takes effect exactly once, whenever the process dies.
 * - The start of an action is committed before it runs: it runs at most once. One that a dead process had started
 *   is marked as failed.
 */
import { convexToJson, type JSONValue, type Value } from "convex/values"
import { type Engine, executionOf } from "./engine.ts"
import { canonicalPath } from "./functions.ts"
import { endJob, type Job, jobFunction, jobsIn, readJob, startJob } from "./jobs.ts"

/** Ended jobs stay readable for a week, as in Convex. */
const KEPT_MILLIS = 7 * 24 * 3_600_000
const REMOVED_AT_ONCE = 100

export interface DueJob {
  readonly id: string
  readonly path: string
  readonly args: JSONValue
  /** Milliseconds since 1970. */
  readonly scheduledTime: number
}

/** Settles what a process that ended has left, and removes what is old. */
export const recoverJobs = (engine: Engine): Promise<void> =>
  engine.write((transaction) => {
    for (const job of Array.from(jobsIn(transaction, "inProgress", Infinity))) {
      endJob(transaction, job, { error: "The deployment stopped while the action ran.", kind: "failed" })
    }
    const old = (["success", "failed", "canceled"] as const).flatMap((kind) =>
      [...jobsIn(transaction, kind, Date.now() - KEPT_MILLIS)].slice(0, REMOVED_AT_ONCE)
    )
    for (const job of old) transaction.removeSystem(job)
  })

/** The first job that could run: while all actions are busy, only mutations can. */
export const nextJob = (engine: Engine, actionsAreBusy: boolean): Promise<DueJob | null> =>
  engine.write((transaction) => {
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

/** `error`: why it failed; `null` when it did not. */
export const finishJob = (engine: Engine, id: string, error: string | null): Promise<void> =>
  engine.write((transaction) => {
    const job = readJob(transaction, id)
    if (job === null || job.state.kind === "canceled") return
    endJob(transaction, job, error === null ? { kind: "success" } : { error, kind: "failed" })
  })

const due = (job: Job): DueJob => ({
  args: convexToJson(job.args[0] as Value),
  id: job._id,
  path: job.name,
  scheduledTime: job.scheduledTime
})
