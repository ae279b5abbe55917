import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"

const root = fileURLToPath(new URL("..", import.meta.url))

/** A minified bundle of `contents`, with its dependencies unless they are `external`. */
const bundle = async (contents: string, external = false) => {
  const { metafile, outputFiles } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    conditions: ["@opencode-worker/source"],
    format: "esm",
    logLevel: "error",
    metafile: true,
    minify: true,
    outdir: "unused",
    platform: "node",
    splitting: true,
    write: false,
    // The package itself is bundled by its source.
    ...(external && { external: ["effect", "@effect/*", "@opencode-ai/*"] })
  })
  const [output] = Object.values(metafile.outputs)
  return {
    bytes: outputFiles[0]?.contents.length ?? Infinity,
    inputs: Object.keys(output?.inputs ?? {}),
    imports: [...new Set(output?.imports.flatMap(({ kind, path }) => (kind === "import-statement" ? [path] : [])))]
  }
}

const entries = [
  ["createOpenCodeHost", "@opencode-worker/opencode-host/async"],
  ["OpenCodeHost", "@opencode-worker/opencode-host"]
] as const

describe("the package", () => {
  it.each(entries)("has no side effects: an unused import of %s adds nothing to a bundle", async (_, entry) => {
    assert.isBelow((await bundle(`import "${entry}"`)).bytes, 100)
  })

  it("evaluates nothing at import: a bundle of its guard contains no host", async () => {
    const contents = `import { isHostError } from "@opencode-worker/opencode-host"; console.log(isHostError)`
    assert.isBelow((await bundle(contents)).bytes, 25_000)
  })

  it.each(entries)("imports single modules for %s, from its declared dependencies only", async (name, entry) => {
    const { imports } = await bundle(`import { ${name} } from "${entry}"; console.log(${name})`, true)
    const others = imports.filter((path) => !path.startsWith("node:") && !/^effect\/[A-Z]\w+$/.test(path))
    assert.deepStrictEqual(others.toSorted(), [
      "@effect/platform-node/NodeChildProcessSpawner",
      "@effect/platform-node/NodeFileSystem",
      "@effect/platform-node/NodePath",
      "@opencode-ai/sdk/v2/client",
      "effect/process/ChildProcess"
    ])
  })

  it.each(entries)("loads %s without Schema, and in less than 450 kB", async (name, entry) => {
    const { bytes, inputs } = await bundle(`import { ${name} } from "${entry}"; console.log(${name})`)
    assert.isBelow(bytes, 450_000)
    assert.isEmpty(inputs.filter((file) => /effect\/dist\/(index|Schema)\.js$/.test(file)))
  })
})
