import { execFile } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { readFile, rm, stat, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, Fiber, Scope } from "effect"
import { HomeNotWritable, OpenCodeHome } from "../src/index.ts"

const git = (home: OpenCodeHome["Service"], ...args: ReadonlyArray<string>) =>
  Effect.tryPromise(() => promisify(execFile)("git", args, { cwd: home.directory, env: home.environment })).pipe(
    Effect.map(({ stdout }) => stdout.trim())
  )

const read = (path: string) => Effect.tryPromise(() => readFile(path, "utf8"))

const present = (path: string) =>
  Effect.promise(() =>
    stat(path).then(
      () => true,
      () => false
    )
  )

const models = (home: OpenCodeHome["Service"]) => join(home.root, "cache", "opencode", "models.json")

const lockFile = (home: OpenCodeHome["Service"]) => join(dirname(home.configFile), "package-lock.json")

describe("OpenCodeHome", () => {
  it.live("is a clean git repository with the files, a configuration file, and separate folders", () =>
    Effect.gen(function* () {
      const home = yield* OpenCodeHome.make({
        config: { model: "a/b" },
        files: { "src/deep/file.txt": "content" }
      })
      assert.strictEqual(yield* git(home, "status", "--porcelain"), "")
      assert.strictEqual(yield* git(home, "ls-files"), "src/deep/file.txt")
      assert.strictEqual(yield* git(home, "log", "--format=%an"), "OpenCode home")
      assert.deepInclude(JSON.parse(yield* read(home.configFile)), { model: "a/b" })
      const { XDG_CONFIG_HOME, ...folders } = home.environment
      assert.strictEqual(home.configFile, join(XDG_CONFIG_HOME ?? "", "opencode/opencode.json"))
      for (const name of ["HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"]) {
        assert.isTrue(folders[name]?.startsWith(home.root), name)
      }
    })
  )

  it.live("hides the models of OpenCode's own catalogue, unless they are wanted", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* read(models(yield* OpenCodeHome.make())), "{}")
      assert.isFalse(yield* present(models(yield* OpenCodeHome.make({ catalogue: true }))))
    })
  )

  it.live("names the package for plugins as installed, unless OpenCode is to install it", () =>
    Effect.gen(function* () {
      assert.include(yield* read(lockFile(yield* OpenCodeHome.make())), '"@opencode-ai/plugin"')
      assert.isFalse(yield* present(lockFile(yield* OpenCodeHome.make({ pluginPackage: true }))))
    })
  )

  it.live("passes on no variable of the user but PATH and the switch of OpenCode's garbage collector", () =>
    Effect.gen(function* () {
      const given = { PATH: "/bin", BUN_JSC_useGC: "0", SECRET: "key" }
      const { environment } = yield* OpenCodeHome.make({ git: false }).pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(given))
      )
      assert.deepInclude(environment, { PATH: "/bin", BUN_JSC_useGC: "0" })
      assert.notProperty(environment, "SECRET")
    })
  )

  it.live("two homes are two projects to OpenCode: their first commits differ", () =>
    Effect.gen(function* () {
      const homes = yield* Effect.all([OpenCodeHome.make(), OpenCodeHome.make()], { concurrency: 2 })
      const [one, two] = yield* Effect.forEach(homes, (home) => git(home, "rev-parse", "HEAD"))
      assert.notStrictEqual(one, two)
    })
  )

  it.live("a home created twice in one place keeps everything except the configuration", () =>
    Effect.gen(function* () {
      const outer = yield* OpenCodeHome.make({ git: false })
      const root = join(outer.directory, "kept")
      const options = { files: { "note.txt": "first" } }
      const before = yield* OpenCodeHome.at(root, { ...options, config: { model: "a/1" } })
      const commit = yield* git(before, "rev-parse", "HEAD")
      yield* Effect.tryPromise(() => writeFile(join(before.directory, "note.txt"), "edited"))

      const after = yield* OpenCodeHome.at(root, { ...options, config: { model: "a/2" } })
      assert.deepStrictEqual(after, before)
      assert.strictEqual(yield* git(after, "rev-parse", "HEAD"), commit)
      assert.strictEqual(yield* read(join(after.directory, "note.txt")), "edited")
      assert.include(yield* read(after.configFile), "a/2")

      yield* Effect.tryPromise(() => rm(root, { recursive: true }))
      const second = yield* OpenCodeHome.at(root, options)
      assert.strictEqual(yield* git(second, "rev-parse", "HEAD"), commit)
    })
  )

  it.live("is not a repository without git, and does not change a given directory", () =>
    Effect.gen(function* () {
      const outer = yield* OpenCodeHome.make({ git: false })
      const directory = join(outer.directory, "mine")
      const root = yield* Effect.scoped(
        OpenCodeHome.make({ directory, git: false }).pipe(Effect.map((home) => home.root))
      )
      assert.isFalse(yield* present(root))
      assert.isTrue(yield* present(directory))
      assert.isFalse(yield* present(join(directory, ".git")))
    })
  )

  it.live("is removed while a process still writes into it", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const home = yield* OpenCodeHome.make({ git: false }).pipe(Scope.provide(scope))
      const log = join(home.root, "data", "opencode", "log")
      // Synchronous, so that it writes more often than the removal looks, also on a loaded machine.
      const dying = Effect.try(() => {
        mkdirSync(log, { recursive: true })
        writeFileSync(join(log, "last.log"), "words")
      })
      const writer = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 100 }), () => Effect.andThen(Effect.exit(dying), Effect.sleep("1 milli")))
      )
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* Fiber.join(writer)
      yield* Fiber.join(closing)
      assert.isFalse(yield* present(home.root))
    })
  )

  it.live("reports the path that cannot be written", () =>
    Effect.gen(function* () {
      const outer = yield* OpenCodeHome.make({ git: false, files: { occupied: "a file" } })
      const path = join(outer.directory, "occupied", "home")
      const error = yield* Effect.flip(OpenCodeHome.at(path))
      assert.instanceOf(error.reason, HomeNotWritable)
      assert.include(error.message, path)
    })
  )
})
