import { assert, describe, it } from "vitest"
import { nextRun } from "../src/internal/functions/cron-schedule.ts"
import { ConvexEmbeddedError } from "../src/index.ts"
import { connect, deploy, temporaryFolder, watch } from "./deployment.ts"
import { project } from "./project.ts"
import { anyApi } from "convex/server"

const at = (text: string) => Date.parse(text)
const NOW = at("2026-11-22T12:34:56.000Z")

const JOBS = `
  import { internalMutation, query } from "./_generated/server"
  export const record = internalMutation((ctx, { text }: { text: string }) => ctx.db.insert("events", { kind: text }))
  export const events = query(async (ctx) => (await ctx.db.query("events").collect()).map((event) => event.kind))
`
const crons = (text: string, schedule = "{ hours: 1 }") => `
  import { cronJobs, makeFunctionReference } from "convex/server"
  const crons = cronJobs()
  crons.interval("recorder", ${schedule}, makeFunctionReference<"mutation">("jobs:record"), { text: "${text}" })
  export default crons
`

const has = (count: number) => (value: unknown) => Array.isArray(value) && value.length === count

describe("crons", () => {
  it("compute their next time", () => {
    const cases = [
      [{ seconds: 30, type: "interval" }, "2026-11-22T12:35:26Z"],
      [{ hours: 2, type: "interval" }, "2026-11-22T14:34:56Z"],
      [{ minuteUTC: 30, type: "hourly" }, "2026-11-22T13:30:00Z"],
      [{ hourUTC: 12, minuteUTC: 40, type: "daily" }, "2026-11-22T12:40:00Z"],
      [{ hourUTC: 12, minuteUTC: 0, type: "daily" }, "2026-11-23T12:00:00Z"],
      [{ dayOfWeek: "monday", hourUTC: 1, minuteUTC: 0, type: "weekly" }, "2026-11-23T01:00:00Z"],
      [{ day: 31, hourUTC: 0, minuteUTC: 0, type: "monthly" }, "2026-12-31T00:00:00Z"],
      [{ cron: "*/15 * * * *", type: "cron" }, "2026-11-22T12:45:00Z"]
    ] as const
    for (const [schedule, expected] of cases) assert.equal(nextRun("name", schedule, NOW), at(expected), expected)
    const unspecified = nextRun("name", { hourUTC: 3, type: "daily" }, NOW)
    assert.equal(new Date(unspecified).getUTCHours(), 3)
    assert.equal(unspecified, nextRun("name", { hourUTC: 3, type: "daily" }, NOW))
  })

  it("run after a deployment, continue after a restart, and restart when they are changed", async () => {
    const dataDir = temporaryFolder()
    const start = (text: string) =>
      deploy({ dataDir, functions: project({ "crons.ts": crons(text), "jobs.ts": JOBS }) })
    const events = anyApi["jobs"]!["events"]!
    const first = await start("first")
    assert.deepEqual(await watch(connect(first), events, {}).until(has(1)), ["first"])
    await first.close()
    const second = await start("first")
    const client = connect(second)
    assert.deepEqual(await client.query(events, {}), ["first"])
    await second.close()
    const third = await start("changed")
    assert.deepEqual(await watch(connect(third), events, {}).until(has(2)), ["first", "changed"])
  })

  it("run repeatedly", async () => {
    const functions = project({ "crons.ts": crons("tick", "{ seconds: 1 }"), "jobs.ts": JOBS })
    const events = watch(connect(await deploy({ functions })), anyApi["jobs"]!["events"]!, {})
    assert.deepEqual(await events.until(has(3)), ["tick", "tick", "tick"])
  })

  it("of a missing function are rejected", async () => {
    const cause = await deploy({ functions: project({ "crons.ts": crons("x") }) }).catch((error: unknown) => error)
    assert.instanceOf(cause, ConvexEmbeddedError)
    assert.equal(cause.code, "InvalidFunctions")
    assert.include(cause.message, 'The cron job "recorder" runs jobs:record, which does not exist.')
  })
})
