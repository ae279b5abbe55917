import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { OpenCodeHome } from "@opencode-worker/testkit"
import { Effect } from "effect"
import { exitCodes } from "../../src/AppError.ts"
import { unlessHopeless } from "../../src/opencode/startup.ts"

/** How a worker ends whose OpenCode is this program, with two attempts of 300 ms. */
const end = Effect.fnUntraced(function* (program: string) {
  const { directory, environment, root } = yield* OpenCodeHome.make({ git: false })
  const binary = join(root, "opencode")
  writeFileSync(binary, program, { mode: 0o755 })
  const host = OpenCodeHost.layer({
    binary,
    directory,
    environment,
    stateDirectory: join(root, "state"),
    startTimeout: "300 millis",
    restart: { limit: 2 }
  })
  return yield* unlessHopeless(Effect.void).pipe(Effect.provide(host), Effect.flip)
})

describe("an OpenCode that never starts ends the worker", () => {
  it.live("with 75 if a start exceeds its time limit, so that a service manager tries again", () =>
    Effect.gen(function* () {
      const error = yield* end("#!/bin/sh\nsleep 300\n")
      assert.include(error, { _tag: "AppError", exitCode: exitCodes.Temporary })
      assert.match(error.message, /OpenCode never started, in 2 attempts\. .*not ready within 300ms/)
    })
  )

  it.live("with 78 if the program ends", () =>
    Effect.gen(function* () {
      const error = yield* end("#!/bin/sh\nexit 1\n")
      assert.include(error, { _tag: "AppError", exitCode: exitCodes.Configuration })
    })
  )
})
