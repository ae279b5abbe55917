/** The deployment is unreachable for a long time in the middle of an answer, which ends in that time. */
import { residentBytes } from "@opencode-worker/harness"
import { Effect, Schedule } from "effect"
import type { Violation } from "./Judge.ts"
import { observe } from "./Observe.ts"
import { finishedInOpenCode, streaming } from "./Steps.ts"
import { World } from "./World.ts"

/** 20 kB of text per second: a minute of it exceeds the worker's buffer. */
const wordsASecond = 50
const padding = 400

/** Limit of the worker's memory growth in bytes: several times a minute of text. */
const mostGrowth = 100_000_000

/**
 * Cuts the deployment off until the model has streamed for this many seconds and OpenCode has stored the whole answer.
 * Returns the growth of the worker's memory in bytes.
 */
export const runAway = Effect.fn("Away.run")(function* (seconds: number) {
  const world = yield* World
  const sessionId = yield* world.createSession
  const first = yield* world.send(sessionId, "text")
  yield* world.letGo(first)
  yield* world.awaitStatus(first, "completed")

  const pid = yield* world.worker.pid
  const { prompt } = yield* streaming(sessionId, { words: seconds * wordsASecond, padding })
  const memory = Effect.promise(() => residentBytes(pid))
  const before = yield* memory
  let most = before
  const sample = Effect.map(memory, (now) => {
    most = Math.max(most, now)
  })
  yield* world.proxy.refuse
  yield* world.letGo(prompt)
  yield* finishedInOpenCode(prompt, `${seconds + 60} seconds`).pipe(
    Effect.raceFirst(Effect.repeat(sample, Schedule.spaced("250 millis")))
  )
  yield* sample
  yield* world.proxy.restore
  const outcome = yield* observe(prompt, true)
  yield* sample
  const memoryGrowthBytes = most - before
  const why = `the worker's memory grew by ${Math.round(memoryGrowthBytes / 1e6)} MB`
  const grown: ReadonlyArray<Violation> = memoryGrowthBytes > mostGrowth ? [{ kind: "unsettled", why }] : []
  return { ...outcome, violations: [...outcome.violations, ...grown], memoryGrowthBytes }
})
