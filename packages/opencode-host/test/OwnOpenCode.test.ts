import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option } from "effect"
import { OwnOpenCode } from "../src/index.ts"
import { findBinary } from "../src/internal/server/binary.ts"
import { platformPackages, thisMachine } from "../src/internal/server/platformPackages.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "own-opencode-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

/** A program that prints this version. */
const program = (path: string, version: string) =>
  Effect.promise(() => writeFile(path, `#!/bin/sh\necho ${version}\n`, { mode: 0o755 }))

const chosen = (version: string | null) => OwnOpenCode.choose({ path: "/bin/opencode", version }, "1.18.33")
const hosts = (version: string | null) => chosen(version).isOwn
const warning = (version: string | null) => chosen(version).warning ?? ""

describe("the user's own OpenCode", () => {
  it("hosts if it is a newer OpenCode 1 than the installed one", () => {
    const newer = ["1.18.34", "1.18.100", "1.19.0", "1.100.0"]
    const others = ["1.18.33", "1.18.4", "1.9.50", "0.99.0", "2.0.0", null]
    assert.deepStrictEqual([...newer, ...others].filter(hosts), newer)
  })

  it("causes a warning if it is OpenCode 2, or so old that it may fail after a migration of the database", () => {
    assert.strictEqual(warning("2.0.1"), "/bin/opencode is OpenCode 2.0.1, which is not supported: 1.18.33 is used.")
    assert.match(warning("1.17.9"), /^\/bin\/opencode is OpenCode 1\.17\.9, older .* Upgrade yours/)
    for (const version of ["1.18.0", "1.18.33", "1.19.0", null]) assert.strictEqual(warning(version), "")
  })

  it.live("is the first program of that name in PATH, with the version of its package or of its output", () =>
    Effect.gen(function* () {
      const root = yield* folder
      const [empty, links, own] = ["empty", "links", "own"].map((name) => join(root, name))
      const packaged = join(root, "node_modules/opencode-ai")
      yield* Effect.promise(async () => {
        for (const path of [empty ?? "", links ?? "", own ?? "", join(packaged, "bin")]) {
          await mkdir(path, { recursive: true })
        }
        await writeFile(join(packaged, "package.json"), JSON.stringify({ name: "opencode-ai", version: "1.18.30" }))
        await symlink(join(packaged, "bin/opencode"), join(links ?? "", "opencode"))
      })
      yield* program(join(packaged, "bin/opencode"), "not asked")
      yield* program(join(own ?? "", "opencode"), "1.18.40")
      const inPackage = yield* OwnOpenCode.find(`${empty}:${links}:${own}`)
      assert.deepStrictEqual(inPackage, { path: `${links}/opencode`, version: "1.18.30" })
      assert.deepStrictEqual(yield* OwnOpenCode.find(`${own}`), { path: `${own}/opencode`, version: "1.18.40" })
      yield* program(join(own ?? "", "opencode"), "unknown")
      assert.deepStrictEqual(yield* OwnOpenCode.find(`${own}`), { path: `${own}/opencode`, version: null })
      assert.isUndefined(yield* OwnOpenCode.find(`${empty}`))
    })
  )

  it.live("is hosted in place of the installed package when it is newer", () =>
    Effect.gen(function* () {
      const root = yield* folder
      const [name = ""] = platformPackages(yield* thisMachine)
      const hosted = (own: string) =>
        Effect.gen(function* () {
          yield* program(join(root, "opencode"), own)
          const found = yield* findBinary(undefined)
          return found.source
        }).pipe(
          Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({ PATH: root })),
          Effect.option
        )
      assert.deepStrictEqual(yield* hosted("1.99.0"), Option.some("PATH"), name)
      assert.deepStrictEqual(yield* hosted("1.17.9"), Option.some("package"), name)
      assert.deepStrictEqual(yield* hosted("2.0.0"), Option.some("package"), name)
    })
  )
})
