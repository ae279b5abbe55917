/** Attacks by `@path` in the prompt of a sub-agent: OpenCode attaches such files without a question. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { OpenCodeHome, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Layer } from "effect"
import { OpenCodeHost } from "../../src/index.ts"
import { attempt, model } from "./calls.ts"

const limit = { timeout: 240_000 }

const hostOf = (options: { readonly alwaysAsk: boolean }) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { config } = yield* ScriptedProvider
      const home = yield* OpenCodeHome.make({ config: { ...config, snapshot: false, permission: "allow" } })
      const { directory, environment, root } = home
      mkdirSync(join(root, "denied"))
      writeFileSync(join(root, "denied", "secret.txt"), "a secret")
      writeFileSync(join(root, "home", "secret.txt"), "a secret")
      const deniedPaths = [join(root, "denied")]
      return Layer.merge(
        OpenCodeHost.layer({ directory, environment, stateDirectory: join(root, "state"), deniedPaths, ...options }),
        Layer.succeed(OpenCodeHome, home)
      )
    })
  ).pipe(Layer.provideMerge(model))

describe("files that the prompt of a sub-agent mentions", () => {
  for (const alwaysAsk of [true, false]) {
    it.live(
      `are not read for it where tools are ${alwaysAsk ? "asked" : "allowed"}`,
      () =>
        Effect.gen(function* () {
          const provider = yield* ScriptedProvider
          const { root } = yield* OpenCodeHome
          const paths = ["~/secret.txt", join(root, "denied/secret.txt"), "../denied/secret.txt", `-@${root}/home`]
          const pattern = paths.map((path) => `@${path}`).join(" ")
          const prompt = JSON.stringify({ tool: "glob", args: { pattern: `${pattern} ` } })
          const { result } = yield* attempt({
            tool: "task",
            args: { description: "search", prompt, subagent_type: "general" }
          })
          assert.include(result, "done")
          const sent = JSON.stringify(yield* provider.requests)
          assert.include(sent, "`@~/secret.txt")
          assert.notInclude(sent, "a secret")
          assert.notInclude(sent, "Called the Read tool")
        }).pipe(Effect.provide(hostOf({ alwaysAsk }))),
      limit
    )
  }
})
