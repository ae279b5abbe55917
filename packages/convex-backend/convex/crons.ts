/**
 * The schedule of maintenance.
 */
import { cronJobs } from "convex/server"
import { internal } from "./_generated/api.ts"

const crons = cronJobs()
crons.interval("expire stale turns", { hours: 1 }, internal.maintenance.expireTurns, {})
crons.interval("trim old rows", { hours: 24 }, internal.maintenance.trimAll, {})
export default crons
