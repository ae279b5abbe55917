import { rename } from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Effect, Result } from "effect"
import { OpenCodeHost } from "../src/index.ts"
import { endOf, eventually, hosted, runPrompt, setting } from "./support.ts"

const limit = 120_000

describe.skipIf(process.platform !== "linux")("faults", () => {
  it.live(
    "a directory that is removed is named at the next start, and works again once it is back",
    () =>
      Effect.gen(function* () {
        const { options } = yield* setting(() => Reply.text("Hello."))
        const away = `${options.directory}-away`
        yield* hosted(
          options,
          Effect.gen(function* () {
            const { server } = yield* OpenCodeHost
            const { pid = 0 } = yield* server
            yield* Effect.promise(() => rename(options.directory, away))
            process.kill(pid, "SIGKILL")
            const error = yield* eventually(
              Effect.map(Effect.result(server), (result) => (Result.isFailure(result) ? result.failure : undefined)),
              (found) => found !== undefined
            )
            assert.include(error?.message, `The directory ${options.directory} does not exist`)
            yield* Effect.promise(() => rename(away, options.directory))
            const end = yield* eventually(Effect.result(runPrompt("hi")), Result.isSuccess)
            assert.strictEqual(Result.isSuccess(end) ? endOf(end.success).outcome : "", "completed")
          })
        )
      }),
    limit
  )
})
