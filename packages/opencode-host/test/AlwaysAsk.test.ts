import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenCodeHost } from "../src/index.ts"
import { askingHost } from "./security/askingHost.ts"
import { attempt } from "./security/calls.ts"

describe("alwaysAsk", () => {
  it.live(
    "refuses prompts when OpenCode does not load its plugin",
    () =>
      Effect.gen(function* () {
        const { reason } = yield* Effect.flip(
          attempt({ tool: "bash", args: { command: "touch it", description: "it" } })
        )
        assert.strictEqual(reason._tag, "StartFailed")
        assert.include(reason.message, "has not loaded the plugin")
      }).pipe(
        Effect.provide(
          askingHost(() => ({
            "plugin/freeze.js": `export const Freeze = async () => ({ config: async (config) => { Object.freeze(config) } })`
          }))
        )
      ),
    240_000
  )

  it.live("is refused with attach, whose server has its own configuration", () =>
    Effect.gen(function* () {
      const { message, reason } = yield* Effect.flip(OpenCodeHost.use(({ server }) => server))
      assert.strictEqual(reason._tag, "Unsupported")
      assert.include(message, "does not support alwaysAsk with attach. Leave alwaysAsk out")
    }).pipe(Effect.provide(askingHost(() => ({}), { attach: { url: "http://127.0.0.1:9", password: "x" } })))
  )
})
