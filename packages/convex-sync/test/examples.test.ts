import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { assert, it } from "@effect/vitest"
import { Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect } from "effect"

it.live(
  "examples/effect.ts runs a prompt with an agent over an OpenAI-compatible endpoint",
  () =>
    Effect.gen(function* () {
      const { url } = yield* ScriptedProvider
      const { stdout } = yield* Effect.promise(() =>
        promisify(execFile)(process.execPath, ["--conditions=@opencode-worker/source", "examples/effect.ts"], {
          cwd: new URL("..", import.meta.url),
          env: { ...process.env, MODEL: "echo", OPENAI_BASE_URL: url }
        })
      )
      assert.deepStrictEqual(stdout.trim().split("\n").slice(-2), ["completed", "You said: Say it again"])
    }).pipe(
      Effect.provide(
        ScriptedProvider.layer(({ lastUserText }) => Reply.text(`You said: ${lastUserText}`), { models: ["echo"] })
      )
    ),
  { timeout: 120_000 }
)
