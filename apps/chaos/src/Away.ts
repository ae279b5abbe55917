/** The deployment is away for a long time in the middle of an answer, which comes to its end meanwhile. */
import { residentBytes } from "@opencode-worker/harness"
import { Effect, Schedule } from "effect"
import type { Violation } from "./Judge.ts"
import { observe } from "./Observe.ts"
import { finishedInOpenCode, streaming } from "./Steps.ts"
import { World } from "./World.ts"

/** 20 kB of text a second, so that a minute of it is more than the worker keeps for later. */
const wordsASecond = 50
const padding = 400

/** Bytes of the worker's memory, several times what a minute of text is. */
const mostGrowth = 100_000_000

/**
 * Nothing reaches the deployment until the model has spoken for so long and OpenCode has its answer whole. Memory is the
 * worker's, in bytes: how far it grew meanwhile.
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
