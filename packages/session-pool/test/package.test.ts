import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
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

/** Bytes of a minified bundle of `contents`, its dependencies included. */
const bundle = async (contents: string) => {
  const { metafile, outputFiles } = await build({
    stdin: { contents, resolveDir: path(".") },
    bundle: true,
    conditions: ["@opencode-worker/source"],
    format: "esm",
    logLevel: "error",
    metafile: true,
    minify: true,
    platform: "neutral",
    write: false
  })
  return { bytes: outputFiles[0]?.contents.length ?? Infinity, inputs: Object.keys(metafile.inputs) }
}

describe("the package", () => {
  it("has no side effects: an unused import adds nothing to a bundle", async () => {
    assert.isBelow((await bundle(`import "@opencode-worker/session-pool/async"`)).bytes, 100)
  })

  it("evaluates nothing at import: a bundle of its guard contains no pool", async () => {
    const { bytes } = await bundle(
      `import { isSessionPoolError } from "@opencode-worker/session-pool"; console.log(isSessionPoolError)`
    )
    assert.isBelow(bytes, 20_000)
  })

  it.each([
    ["createSessionPool", "@opencode-worker/session-pool/async"],
    ["SessionPool", "@opencode-worker/session-pool"]
  ])("bundles %s with Effect in less than 80 kB, without Schema and Stream", async (name, entry) => {
    const { bytes, inputs } = await bundle(`import { ${name} } from "${entry}"; console.log(${name}.make ?? ${name})`)
    assert.isBelow(bytes, 80_000)
    assert.isEmpty(inputs.filter((file) => /effect\/dist\/(index|Schema|Stream|Channel)\.js$/.test(file)))
  })

  it("shows its tested examples in the README", async () => {
    const readme = await readFile(path("README.md"), "utf8")
    for (const example of ["effect.ts", "async.ts"]) {
      assert.include(readme, "```ts\n" + (await readFile(path(`examples/${example}`), "utf8")) + "```")
    }
  })

  it("runs examples/effect.ts", async () => {
    const output = await run("effect.ts")
    assert.match(output, /^open \/a\nuse \/a\n/)
    assert.match(output, /close \/b\nopen \/c\nuse \/c\n3 opens, 1 hits, 1 evictions\n/)
    assert.match(output, /(close \/[ac]\n){2}$/)
  })

  it("runs examples/async.ts", async () => {
    const output = await run("async.ts")
    assert.match(output, /3 opens, 1 hits, 1 evictions\n(close \/[abc]\n){2}The pool is shutting down/)
  })
})
