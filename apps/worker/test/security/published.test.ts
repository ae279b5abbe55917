/** The published command contains the licences of the bundled code, and no source code. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const dist = join(import.meta.dirname, "../../dist")
const files = readdirSync(dist, { recursive: true, encoding: "utf8" })

describe("the published command", () => {
  it("contains the licence of each bundled package", () => {
    const notices = readFileSync(join(dist, "THIRD-PARTY-NOTICES.txt"), "utf8")
    const packages = notices.split(`\n\n${"-".repeat(80)}\n\n`)
    for (const name of [
      "convex",
      "convex-helpers",
      "effect",
      "jose",
      "ws",
      "croner",
      "oauth4webapi",
      "@opencode-ai/sdk"
    ]) {
      const entry = packages.find((each) => each.startsWith(`${name} `))
      assert.match(entry ?? `${name} is missing`, /Apache License|Permission is hereby granted/)
    }
  })

  it("contains the built web console, with the licences of its packages", () => {
    for (const file of ["index.html", "manifest.webmanifest", "THIRD-PARTY-NOTICES.md"]) {
      assert.include(files, join("console", file))
    }
    // Cached for a year: every name has a hash of the content.
    const assets = files.filter((file) => file.startsWith(join("console", "assets")) && /\.\w+$/.test(file))
    assert.isNotEmpty(assets)
    for (const file of assets) assert.match(file, /-[\w-]{8,}\.\w+$/)
    assert.match(readFileSync(join(dist, "console/THIRD-PARTY-NOTICES.md"), "utf8"), /^## react - /m)
  })

  it("contains no source map", () => {
    assert.deepStrictEqual(
      files.filter((file) => file.endsWith(".map")),
      []
    )
    for (const file of files.filter((each) => each.endsWith(".js"))) {
      assert.notInclude(readFileSync(join(dist, file), "utf8").slice(-500), "sourceMappingURL", file)
    }
  })
})
