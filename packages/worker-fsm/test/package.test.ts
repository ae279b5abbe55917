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

const entries = ["/async", "/machine", "/machine/async", ""].map((entry) => `@opencode-worker/worker-fsm${entry}`)

describe("the package", () => {
  it.each(entries)("has no side effects: an unused import of %s adds nothing to a bundle", async (entry) => {
    assert.isBelow((await bundle(`import "${entry}"`)).bytes, 100)
  })

  it("evaluates nothing at import: a bundle of its guard contains no machine", async () => {
    const { bytes } = await bundle(`import { isMachineError } from "${entries[1]}"; console.log(isMachineError)`)
    assert.isBelow(bytes, 20_000)
  })

  it.each([
    ["Machine, Actor", "@opencode-worker/worker-fsm/machine"],
    ["Machine, createActor", "@opencode-worker/worker-fsm/machine/async"]
  ])("bundles { %s } with Effect in less than 110 kB, without Schema and Stream", async (names, entry) => {
    const { bytes, inputs } = await bundle(`import { ${names} } from "${entry}"; console.log(${names})`)
    assert.isBelow(bytes, 110_000)
    assert.isEmpty(inputs.filter((file) => /effect\/dist\/(index|Schema|Stream|Channel)\.js$/.test(file)))
  })

  it("shows its tested examples in the README", async () => {
    const readme = await readFile(path("README.md"), "utf8")
    for (const example of await readdir(path("examples"))) {
      assert.include(readme, "```ts\n" + (await readFile(path(`examples/${example}`), "utf8")) + "```")
    }
  })

  it("runs examples/machine.ts", async () => {
    assert.match(await run("machine.ts"), /wrong: 1.*Open.*wrong: 0.*does not accept Reset. It accepts Enter/s)
  })

  it("runs examples/machine-async.ts", async () => {
    assert.strictEqual(await run("machine-async.ts"), "on at 3\n{ level: 2, _tag: 'On' }\n")
  })

  it("runs examples/effect.ts", async () => {
    const output = await run("effect.ts")
    assert.match(
      output,
      /Recovering\nConnecting\nReady\nDraining\nwaiting for running turns\nStopping\nreleasing resources\n/
    )
    assert.match(output, /Requested: exit code 0\n$/)
  })

  it("runs examples/async.ts", async () => {
    const expected = /^waiting for running turns\nreleasing resources\nStopped\nRequested: exit code 0\n$/
    assert.match(await run("async.ts"), expected)
  })
})
