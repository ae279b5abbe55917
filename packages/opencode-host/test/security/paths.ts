/**
 * Attacks on the borders of the directory: symbolic links that leave it, folders that no tool may read, and `@path` in the
 * prompt of a sub-agent, which OpenCode attaches without a question.
 */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { OpenCodeHome, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Layer } from "effect"
import { OpenCodeHost } from "../../src/index.ts"
import type { InAskingWorld } from "./askingHost.ts"
import { attempt } from "./calls.ts"

const limit = { timeout: 240_000 }

/** Links in the directory to a folder outside and to one that is denied. */
const makeLinks = Effect.gen(function* () {
  const { directory, root } = yield* OpenCodeHome
  mkdirSync(join(root, "outside"))
  symlinkSync(join(root, "outside"), join(directory, "outside"))
  for (const folder of ["outside", "denied", "home"]) writeFileSync(join(root, folder, "secret.txt"), "a secret")
  symlinkSync(".env", join(directory, "harmless.txt"))
  symlinkSync("../outside/secret.txt", join(directory, "note.txt"))
  symlinkSync("../outside/new.txt", join(directory, "dangling.txt"))
  symlinkSync("circle", join(directory, "circle"))
})

/** The path stands in the text of a patch. */
const patch = (path: string) => ({
  tool: "apply_patch",
  args: { patchText: `*** Begin Patch\n*** Update File: ${path}\n@@\n-a secret\n+changed\n*** End Patch` }
})

export const pathsTests = (alwaysAsk: boolean) => (world: InAskingWorld) => {
  world.layer(Layer.effectDiscard(makeLinks))(`where tools are ${alwaysAsk ? "asked" : "allowed"}`, (it) => {
    it.effect(
      "denied paths are out of reach of every tool",
      () =>
        Effect.gen(function* () {
          const { directory } = yield* OpenCodeHost
          const { root } = yield* OpenCodeHome
          const secret = join(root, "denied", "secret.txt")
          const calls = [
            { tool: "read", args: { filePath: secret } },
            { tool: "read", args: { filePath: "denied/../denied/secret.txt" } },
            { tool: "read", args: { filePath: join(root, "denied") } },
            { tool: "glob", args: { pattern: "**/*", path: root } },
            { tool: "grep", args: { pattern: "secret", path: "/" } },
            { tool: "grep", args: { pattern: "secret", path: join(directory, "denied") } },
            { tool: "write", args: { filePath: secret, content: "x" } },
            { tool: "edit", args: { filePath: secret, oldString: "a secret", newString: "b" } },
            patch("denied/secret.txt")
          ]
          for (const call of calls) {
            const { asked, result } = yield* attempt({ ...call, answer: "once" })
            assert.deepStrictEqual([call, asked], [call, []])
            assert.match(result, /must not (be read|read)/)
            assert.notInclude(result, "a secret")
          }
          assert.strictEqual(readFileSync(secret, "utf8"), "a secret")
        }),
      limit
    )

    it.effect(
      "files that the prompt of a sub-agent mentions are not read for it",
      () =>
        Effect.gen(function* () {
          const provider = yield* ScriptedProvider
          const { root } = yield* OpenCodeHome
          const { length } = yield* provider.requests
          const paths = ["~/secret.txt", join(root, "denied/secret.txt"), "../denied/secret.txt", `-@${root}/home`]
          const pattern = paths.map((path) => `@${path}`).join(" ")
          const prompt = JSON.stringify({ tool: "glob", args: { pattern: `${pattern} ` } })
          const { result } = yield* attempt({
            tool: "task",
            args: { description: "search", prompt, subagent_type: "general" }
          })
          assert.include(result, "done")
          const sent = JSON.stringify((yield* provider.requests).slice(length))
          assert.include(sent, "`@~/secret.txt")
          assert.notInclude(sent, "a secret")
          assert.notInclude(sent, "Called the Read tool")
        }),
      limit
    )

    if (!alwaysAsk) return
    it.effect(
      "symbolic links are asked as what they lead to",
      () =>
        Effect.gen(function* () {
          const { directory } = yield* OpenCodeHost
          const { root } = yield* OpenCodeHome
          const outside = [
            { tool: "read", args: { filePath: join(directory, "note.txt") } },
            { tool: "read", args: { filePath: "outside/secret.txt" } },
            { tool: "glob", args: { pattern: "*", path: join(directory, "outside") } },
            { tool: "grep", args: { pattern: "secret", path: "outside" } },
            { tool: "write", args: { filePath: join(directory, "dangling.txt"), content: "x" } },
            { tool: "edit", args: { filePath: join(directory, "note.txt"), oldString: "a secret", newString: "b" } },
            patch("note.txt")
          ]
          for (const call of outside) {
            const { asked, requests, result } = yield* attempt(call)
            assert.deepStrictEqual([call.tool, asked[0]], [call.tool, "external_directory"], result)
            assert.include(JSON.stringify(requests[0]?.patterns), join(root, "outside"))
            assert.notInclude(result, "a secret")
          }
          assert.isFalse(existsSync(join(root, "outside", "new.txt")))
          assert.strictEqual(readFileSync(join(root, "outside", "secret.txt"), "utf8"), "a secret")
          const env = yield* attempt({ tool: "read", args: { filePath: join(directory, "harmless.txt") } })
          assert.deepStrictEqual([env.asked, env.requests[0]?.patterns], [["read"], [".env"]])
          assert.include(
            (yield* attempt({ tool: "read", args: { filePath: "circle" } })).result,
            "too many symbolic links"
          )
        }),
      limit
    )
  })
}
