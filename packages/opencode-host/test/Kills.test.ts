import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { killAtRandom } from "./kills.ts"

describe.skipIf(process.platform !== "linux")("a host that is killed at any moment", () => {
  it.live(
    "leaves no process, and no lock that blocks the next",
    () =>
      Effect.gen(function* () {
        // `pnpm test:full` runs more rounds in `Host.soak.ts`.
        const hosts = yield* killAtRandom({ rounds: 1, startMillis: 4000, useMillis: 1500 })
        assert.lengthOf(hosts, 1)
      }).pipe(Effect.scoped),
    120_000
  )
})
