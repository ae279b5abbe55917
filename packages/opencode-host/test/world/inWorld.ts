/** Tests that share one host: each boot of OpenCode costs about 3 CPU seconds. */
import type { Vitest } from "@effect/vitest"
import type { ScriptedProvider } from "@opencode-worker/testkit"
import { Layer } from "effect"
import type { OpenCodeHost } from "../../src/index.ts"
import { useScript } from "../support.ts"

type InWorld = Vitest.MethodsNonLive<OpenCodeHost | ScriptedProvider>

/**
 * Tests of one subject, whose model is `script`, for the file of tests in this folder. They find the sessions and files of the tests before them, and
 * leave OpenCode usable.
 */
export const inWorld =
  (subject: string, script: Parameters<typeof useScript>[0], tests: (it: InWorld) => void) =>
  (it: InWorld): void => {
    it.layer(Layer.effectDiscard(useScript(script)))(subject, tests)
  }
