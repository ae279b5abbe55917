import { cp, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { defineConfig, type Options } from "tsup"
import { quickStart } from "./quickStart.ts"
import { configJsonSchema } from "./src/config/ConfigFile.ts"
import { thirdPartyNotices } from "./thirdPartyNotices.ts"

const folderOf = (name: string) => dirname(fileURLToPath(import.meta.resolve(`${name}/package.json`)))
const backend = folderOf("@opencode-worker/convex-backend")
const consolePage = join(folderOf("@opencode-worker/console"), "dist")

const notices = thirdPartyNotices("dist/THIRD-PARTY-NOTICES.txt")

const common: Options = {
  esbuildPlugins: [notices],
  format: "esm",
  target: "node24",
  platform: "node",
  noExternal: [/.*/],
  external: ["esbuild"],
  // `node:sqlite` has no name without the prefix.
  removeNodeProtocol: false
}
/** For CommonJS packages in the bundle. Created at the first use, because each chunk has one. */
const requireBanner =
  'const require = (id) => globalThis.process.getBuiltinModule("node:module").createRequire(import.meta.url)(id);'

// The command in one folder, and next to it what its embedded deployment serves: the functions (`functionsDir` of
// convex-backend is `../convex` from the file that it is bundled into) and the web console.
export default defineConfig([
  {
    ...common,
    entry: { "bin/main": "src/main.ts" },
    esbuildPlugins: [notices, quickStart],
    clean: true,
    banner: { js: `#!/usr/bin/env node\n${requireBanner}` },
    esbuildOptions: (options) => {
      options.chunkNames = "bin/[name]-[hash]"
      options.alias = {
        // Its CommonJS build loads its parts in a way that a bundler cannot follow.
        "jsonc-parser": "jsonc-parser/lib/esm/main.js",
        // Its build for Node.js contains `ws`, for versions without WebSockets.
        "convex/browser": join(folderOf("convex"), "dist/esm/browser/index.js")
      }
    },
    onSuccess: async () => {
      await cp(consolePage, "dist/console", { recursive: true })
      await writeFile("dist/config.schema.json", `${JSON.stringify(configJsonSchema(), null, 2)}\n`)
    }
  },
  // The threads of the embedded deployment: a file of this name next to the one that starts them.
  {
    ...common,
    entry: { "bin/convex-thread": fileURLToPath(import.meta.resolve("@opencode-worker/convex-embedded/thread")) },
    banner: { js: requireBanner }
  },
  // The thread of `--jq`.
  {
    ...common,
    entry: { "bin/jq-thread": "src/operator/jqThread.ts" },
    banner: { js: requireBanner },
    esbuildOptions: (options) => {
      // jq looks for its files, of which it needs none.
      options.define = { ...options.define, __dirname: "import.meta.dirname" }
    }
  },
  // The library: for async code with everything in it, for Effect with the `effect` of its user.
  {
    ...common,
    entry: { "lib/async": "src/async.ts" },
    splitting: false,
    banner: { js: requireBanner }
  },
  {
    ...common,
    entry: { "lib/index": "src/index.ts" },
    noExternal: [/^(?!effect($|\/))/],
    splitting: false,
    banner: { js: requireBanner }
  },
  {
    entry: [join(backend, "convex/*.ts")],
    outDir: "dist/convex",
    format: "esm",
    target: "es2022",
    platform: "browser",
    noExternal: [/.*/],
    esbuildPlugins: [notices],
    esbuildOptions: (options) => {
      options.chunkNames = "_deps/[name]-[hash]"
    }
  }
])
