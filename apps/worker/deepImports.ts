/**
 * Replaces imports of Effect's barrels by imports of their modules. A bundler that splits the bundle puts everything that any
 * command uses of a barrel into the chunk that every command loads.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname } from "node:path"
import type { Options } from "tsup"

type Plugin = NonNullable<Options["esbuildPlugins"]>[number]

const require = createRequire(import.meta.url)

/** Barrels that export their modules as namespaces: `export * as Effect from "./Effect.js"`. */
const barrels = ["effect", "effect/cli", "effect/crypto", "effect/http", "effect/observability", "effect/persistence"]

/** The names of a barrel that are no namespaces, and the module of each. */
const functions = new Map(["absurd", "cast", "flow", "hole", "identity", "pipe"].map((name) => [name, "Function"]))

const pattern = /^import\s*\{([^}]*)\}\s*from\s*"([^"]+)";?$/gm

/** One import per name, on one line, so that the numbers of lines stay as they are. */
const rewrite = (source: string): string =>
  source.replaceAll(pattern, (whole: string, names: string, from: string) => {
    if (!barrels.includes(from)) return whole
    const lines = names
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "" && !name.startsWith("type "))
      .map((name) => {
        const [exported = "", local = exported] = name.split(/\s+as\s+/)
        const module = functions.get(exported)
        return module === undefined
          ? `import * as ${local} from "${from}/${exported}";`
          : `import { ${exported} as ${local} } from "${from}/${module}";`
      })
    return lines.join(" ") + "\n".repeat(whole.split("\n").length - 1)
  })

const effect = dirname(require.resolve("effect/package.json"))

export const deepImports: Plugin = {
  name: "deep-imports",
  setup: (build) => {
    build.onLoad({ filter: /\.(?:ts|js)$/ }, ({ path }) =>
      path.startsWith(effect)
        ? undefined
        : { contents: rewrite(readFileSync(path, "utf8")), loader: path.endsWith(".ts") ? "ts" : "js" }
    )
  }
}
