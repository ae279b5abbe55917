import { execFile } from "node:child_process"
import { readdir, readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"

const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url))
const run = async (example: string): Promise<ReadonlyArray<string>> => {
  const args = ["--conditions=@opencode-worker/source", path(`examples/${example}`)]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return stdout.trim().split("\n")
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
    platform: "node",
    write: false
  })
  return { bytes: outputFiles[0]?.contents.length ?? Infinity, inputs: Object.keys(metafile.inputs) }
}

describe("the package", () => {
  it("has no side effects: an unused import adds nothing to a bundle", async () => {
    assert.isBelow((await bundle(`import "@opencode-worker/model-cache/async"`)).bytes, 100)
  })

  it("evaluates nothing at import: a bundle of its guard contains no cache", async () => {
    const { bytes } = await bundle(
      `import { isModelCacheError } from "@opencode-worker/model-cache"; console.log(isModelCacheError)`
    )
    assert.isBelow(bytes, 20_000)
  })

  it.each([
    ["createModelCache", "@opencode-worker/model-cache/async"],
    ["ModelCache", "@opencode-worker/model-cache"],
    ["SwrCache.make", "@opencode-worker/model-cache"]
  ])("bundles %s with Effect in less than 100 kB, without Schema and Stream", async (name, entry) => {
    const { bytes, inputs } = await bundle(`import { ${name.split(".")[0]} } from "${entry}"; console.log(${name})`)
    assert.isBelow(bytes, 100_000)
    assert.isEmpty(inputs.filter((file) => /effect\/dist\/(index|Schema|Stream|Channel)\.js$/.test(file)))
  })

  it("shows its tested examples in the README", async () => {
    const readme = await readFile(path("README.md"), "utf8")
    for (const example of await readdir(path("examples"))) {
      assert.include(readme, "```ts\n" + (await readFile(path(`examples/${example}`), "utf8")) + "```")
    }
  })

  it("runs examples/effect.ts", async () => {
    assert.deepStrictEqual(await run("effect.ts"), [
      "90 callers, 1 fetch",
      "default: Claude 5",
      "by id: Llama 9",
      `No model "anthropic/claud-5" among the 2 known ones; ids have the form "provider/model". Did you mean anthropic/claude-5?`
    ])
  })

  it("runs examples/async.ts", async () => {
    const lines = await run("async.ts")
    assert.sameMembers(
      lines.map((line) => line.replace(/[0-9a-f]{8}$/, "…")),
      ["90 callers, 1 fetch", "default: Claude 5", "publish 1 model with hash …"]
    )
  })

  it("runs examples/persisted.ts and examples/swr.ts", async () => {
    assert.deepStrictEqual(await run("persisted.ts"), ["0 models"])
    assert.deepStrictEqual(await run("swr.ts"), ["1 EUR = 1.08 USD"])
  })
})
