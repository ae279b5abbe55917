import { execFile } from "node:child_process"
import { readdir, readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"

const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url))
const run = async (example: string) => {
  const args = ["--conditions=@opencode-worker/source", path(`examples/${example}`)]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return stdout
}

describe("the package", () => {
  it("is under 15 kB minified, and needs nothing but effect", async () => {
    const { outputFiles, metafile } = await build({
      entryPoints: [path("src/index.ts")],
      bundle: true,
      minify: true,
      format: "esm",
      external: ["effect"],
      metafile: true,
      write: false
    })
    const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map((each) => each.path))
    assert.isEmpty(imported.filter((name) => !/^effect(\/|$)/.test(name)))
    assert.isBelow(outputFiles[0]?.contents.length ?? Infinity, 15_000)
  })

  it("shows in its README the examples that are run here", async () => {
    const readme = await readFile(path("README.md"), "utf8")
    for (const example of await readdir(path("examples"))) {
      assert.include(readme, "```ts\n" + (await readFile(path(`examples/${example}`), "utf8")) + "```")
    }
  })

  it("example pool", async () => {
    const output = await run("pool.ts")
    assert.match(output, /^open \/a\nuse \/a\n/)
    assert.match(output, /close \/b\nopen \/c\nuse \/c\n3 opens, 1 hits, 1 evictions\n/)
    assert.match(output, /(close \/[ac]\n){2}$/)
  })

  it("example async", async () => {
    const output = await run("async.ts")
    assert.match(output, /3 opens, 1 hits, 1 evictions\n(close \/[abc]\n){2}Draining - The pool is shutting down/)
  })
})
