import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { killAtRandom } from "./kills.ts"

/** `pnpm test:full` runs it; `Processes.test.ts` and `Daemons.test.ts` kill hosts at one moment. */
const isFull = process.env["TEST_FULL"] !== undefined

describe.runIf(isFull && process.platform === "linux")("a host that is killed at any moment", () => {
  it.live(
    "leaves no process, and no lock that blocks the next",
    () =>
      Effect.gen(function* () {
        // `Host.soak.ts` runs more rounds.
        const hosts = yield* killAtRandom({ rounds: 1, startMillis: 4000, useMillis: 1500 })
        assert.lengthOf(hosts, 1)
      }).pipe(Effect.scoped),
    120_000
  )
})
