/** Tests that share one world: each file of tests that boots OpenCode costs about 5 CPU seconds more. */
import { describe, type Vitest } from "@effect/vitest"
import type { Layer } from "effect"
import type { world } from "../support/world.ts"

type InWorld = Vitest.MethodsNonLive<Layer.Success<typeof world>>

/**
 * Tests of one subject, for the files of tests in this folder. They find the sessions, the changes in OpenCode and the files of the tests before
 * them, so they compare with the state at their beginning, and they leave OpenCode running.
 */
export const inWorld =
  (subject: string, tests: (it: InWorld) => void) =>
  (it: InWorld): void => {
    // oxlint-disable-next-line vitest/valid-title -- a title of the caller
    describe(subject, () => {
      tests(it)
    })
  }
