import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { realPath } from "../../src/opencode/realPath.ts"

layer(NodeServices.layer)("the real path", (it) => {
  it.effect("follows links to existing and missing targets", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const root = yield* Effect.flatMap(fs.makeTempDirectoryScoped(), fs.realPath)
      const at = (path: string) => join(root, path)
      yield* fs.makeDirectory(at("project/src"), { recursive: true })
      yield* fs.makeDirectory(at("outside"))
      yield* fs.symlink(at("outside"), at("project/folder"))
      yield* fs.symlink("../outside/missing", at("project/dangling"))
      yield* fs.symlink("dangling", at("project/twice"))
      yield* fs.symlink("loop", at("project/loop"))
      const found = yield* Effect.forEach(
        [
          "src/new/a.ts",
          "folder/a.ts",
          "dangling",
          "dangling/below",
          "twice",
          "loop",
          "loop/below",
          "src/../../outside"
        ],
        (path) => realPath(at(`project/${path}`))
      )
      assert.deepStrictEqual(found, [
        at("project/src/new/a.ts"),
        at("outside/a.ts"),
        at("outside/missing"),
        at("outside/missing/below"),
        at("outside/missing"),
        undefined,
        undefined,
        at("outside")
      ])
    })
  )
})
