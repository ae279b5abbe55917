import { rename } from "node:fs/promises"
import { assert } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Effect, Result } from "effect"
import { OpenCodeHost } from "../../src/index.ts"
import { endOf, eventually, runPrompt } from "../support.ts"
import { inWorld } from "./inWorld.ts"

export const faultsTests = inWorld(
  "faults",
  () => Reply.text("Hello."),
  (it) => {
    it.effect.skipIf(process.platform !== "linux")(
      "a directory that is removed is named at the next start, and works again once it is back",
      () =>
        Effect.gen(function* () {
          const { directory, server } = yield* OpenCodeHost
          const away = `${directory}-away`
          const { pid = 0 } = yield* server
          yield* Effect.promise(() => rename(directory, away))
          process.kill(pid, "SIGKILL")
          const error = yield* eventually(
            Effect.map(Effect.result(server), (result) => (Result.isFailure(result) ? result.failure : undefined)),
            (found) => found !== undefined
          )
          assert.include(error?.message, `The directory ${directory} does not exist`)
          yield* Effect.promise(() => rename(away, directory))
          const end = yield* eventually(Effect.result(runPrompt("hi")), Result.isSuccess)
          assert.strictEqual(Result.isSuccess(end) ? endOf(end.success).outcome : "", "completed")
        })
    )
  }
)
