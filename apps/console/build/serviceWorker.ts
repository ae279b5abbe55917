/** Builds the service worker as one file of a fixed name, with the list of the files that it keeps. */
import { createHash } from "node:crypto"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { build, type Plugin, type ResolvedConfig } from "vite"

/** Files that the worker keeps. Not itself, and no licenses. */
const isKept = (path: string): boolean => /\.(?:css|html|js|png|svg|webmanifest)$/.test(path) && path !== "sw.js"

/** `entry`: the source file, relative to the root. */
export const serviceWorker = (entry: string): Plugin => {
  let config: ResolvedConfig
  return {
    name: "service-worker",
    apply: "build",
    configResolved(resolved) {
      config = resolved
    },
    async closeBundle(error) {
      if (error !== undefined) return
      const { outDir } = config.build
      const files = (await readdir(join(config.root, outDir), { recursive: true, withFileTypes: true }))
        .filter((each) => each.isFile())
        .map(({ name, parentPath }) => join(parentPath, name).slice(join(config.root, outDir).length + 1))
        .filter(isKept)
        .toSorted()
      const paths = [
        "/",
        ...files.filter((path) => path !== "index.html").map((path) => `/${path.replaceAll("\\", "/")}`)
      ]
      await build({
        root: config.root,
        configFile: false,
        logLevel: "warn",
        publicDir: false,
        resolve: { conditions: config.resolve.conditions },
        define: {
          __FILES__: JSON.stringify(paths),
          __VERSION__: JSON.stringify(createHash("sha256").update(paths.join("\n")).digest("hex").slice(0, 12))
        },
        build: {
          outDir,
          emptyOutDir: false,
          target: "es2023",
          lib: { entry, formats: ["es"], fileName: () => "sw.js" }
        }
      })
    }
  }
}
