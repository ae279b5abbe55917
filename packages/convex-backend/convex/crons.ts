/**
 * When maintenance runs.
 *
 * @since 0.1.0
 */
import { cronJobs } from "convex/server"
import { internal } from "./_generated/api.ts"

const crons = cronJobs()
crons.interval("expire stale turns", { hours: 1 }, internal.maintenance.expireTurns, {})
crons.interval("trim what is old", { hours: 24 }, internal.maintenance.trimAll, {})
export default crons
