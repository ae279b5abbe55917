import { parseArgs } from "node:util"
import { NodeRuntime } from "@effect/platform-node"
import { openCodeProgram } from "@opencode-worker/harness"
import { Console, Effect, Logger, Runtime } from "effect"
import { run } from "./Chaos.ts"
import { cells, nameOf } from "./Matrix.ts"
import { makeReport } from "./Report.ts"
import { World } from "./World.ts"

const usage = `usage: pnpm chaos [--rounds N] [--seed S] [--matrix] [--only <words>] [--away <seconds>] [--json]

  --rounds N       random rounds (default 5; 0 with --matrix or --away)
  --seed S         repeats the rounds of this seed (default: a random one, which is printed)
  --matrix         every victim at every step of a turn, and a minute without the deployment
  --only <words>   cells of the matrix whose name contains these words; may be repeated
  --away <seconds> no deployment for this time in the middle of an answer
  --json           one JSON object per line`

/** A whole number from 0, or NaN. */
const count = (text: string) => (/^\d{1,9}$/.test(text) ? Number(text) : Number.NaN)

const parse = () => {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 1e9)) },
      matrix: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      away: { type: "string" },
      json: { type: "boolean", default: false }
    }
  })
  const { json, matrix, only } = values
  const all = matrix && only.length === 0
  const chosen = cells.filter((cell) => all || only.some((words) => nameOf(cell).includes(words)))
  const away = count(values.away ?? (all ? "60" : "0"))
  const rounds = count(values.rounds ?? (chosen.length > 0 || away > 0 ? "0" : "5"))
  const seed = count(values.seed)
  if ([away, rounds, seed].some(Number.isNaN) || (only.length > 0 && chosen.length === 0)) throw new Error(usage)
  return { plan: { cells: chosen, away, rounds, seed }, json }
}

const chaos = Effect.gen(function* () {
  const parsed = yield* Effect.option(Effect.try({ try: parse, catch: () => usage }))
  if (parsed._tag === "None") {
    process.exitCode = 64
    return yield* Console.error(usage)
  }
  const { json, plan } = parsed.value
  const report = yield* makeReport({ json, openCodeProgram, rounds: plan.rounds, seed: plan.seed })
  const orphans = yield* Effect.provide(run(plan, report.add), World.layer)
  const { duplicated, lost, unsettled } = yield* report.end(orphans)
  if (lost + duplicated + unsettled + orphans > 0) process.exitCode = 1
})

// Without `exit`, Node.js 26 sometimes never ends (https://github.com/nodejs/node/issues/47748).
// Standard output is the report.
NodeRuntime.runMain(Effect.provide(chaos, Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])), {
  teardown: (exit) => Runtime.defaultTeardown(exit, (code) => process.exit(code || process.exitCode))
})
