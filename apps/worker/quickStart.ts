/**
 * Rewrites sources so that the command starts sooner. All three come from libraries:
 *
 * - Imports of Effect's barrels become imports of their modules. A bundler that splits the bundle puts everything that any
 *   command uses of a barrel into the chunk that every command loads.
 * - Imports of Node.js's modules become calls of `process.getBuiltinModule`. An import also reads each export that the module
 *   has, some of which load much: `node:crypto` loads Web Cryptography, `node:http` loads `fetch`.
 * - `Intl.Segmenter` becomes `LazySegmenter`.
 */
import { readFileSync } from "node:fs"
import { createRequire, isBuiltin } from "node:module"
import { dirname, join } from "node:path"
import type { Options } from "tsup"

type Plugin = NonNullable<Options["esbuildPlugins"]>[number]

const require = createRequire(import.meta.url)

/** Barrels that export their modules as namespaces: `export * as Effect from "./Effect.js"`. */
const barrels = ["effect", "effect/cli", "effect/crypto", "effect/http", "effect/observability", "effect/persistence"]

/** The names of a barrel that are no namespaces, and the module of each. */
const functions = new Map(["absurd", "cast", "flow", "hole", "identity", "pipe"].map((name) => [name, "Function"]))

const ofBarrel = (from: string, exported: string, local: string): string => {
  const module = functions.get(exported)
  return module === undefined
    ? `import * as ${local} from "${from}/${exported}";`
    : `import { ${exported} as ${local} } from "${from}/${module}";`
}

/** `process` may be the name of an import. */
const builtin = (from: string) => `/* @__PURE__ */ globalThis.process.getBuiltinModule("${from}")`

const effect = dirname(require.resolve("effect/package.json"))
const segmenter = join(import.meta.dirname, "src/terminal/output/LazySegmenter.ts")

/** `import { a, b as c } from "…"`, also over several lines. */
const named = /^import\s*\{([^}]*)\}\s*from\s*"([^"]+)";?$/gm
/** `import * as a from "…"` and `import a from "…"`. */
const whole = /^import\s+(?:\*\s+as\s+)?([\w$]+)\s+from\s+"([^"]+)";?$/gm

/** Each replacement has as many lines as the original. */
const rewrite = (source: string, path: string): string => {
  const withNames = source.replaceAll(named, (original: string, names: string, from: string) => {
    const isBarrel = barrels.includes(from) && !path.startsWith(effect)
    if (!isBarrel && !isBuiltin(from)) return original
    const lines = names
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "" && !name.startsWith("type "))
      .map((name) => {
        const [exported = "", local = exported] = name.split(/\s+as\s+/)
        return isBarrel ? ofBarrel(from, exported, local) : `const ${local} = ${builtin(from)}.${exported};`
      })
    return lines.join(" ") + "\n".repeat(original.split("\n").length - 1)
  })
  const withBuiltins = withNames.replaceAll(whole, (original: string, local: string, from: string) =>
    isBuiltin(from) ? `const ${local} = ${builtin(from)};` : original
  )
  return withBuiltins.includes("new Intl.Segmenter(") && path !== segmenter
    ? `import { LazySegmenter } from "${segmenter}"; ${withBuiltins.replaceAll("new Intl.Segmenter(", "new LazySegmenter(")}`
    : withBuiltins
}

export const quickStart: Plugin = {
  name: "quick-start",
  setup: (build) => {
    build.onLoad({ filter: /\.(?:ts|m?js)$/ }, ({ path }) => ({
      contents: rewrite(readFileSync(path, "utf8"), path),
      loader: path.endsWith(".ts") ? "ts" : "js"
    }))
  }
}
