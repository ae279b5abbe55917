/**
 * `pnpm docs:api`: the API reference of all entries from their docstrings, as HTML in `node_modules/.cache/api-reference/html`.
 * TypeDoc needs the compiler API of TypeScript 6, which TypeScript 7 does not have, so both are installed apart from the workspace.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { publishedPackages } from "./packages.ts"

const root = process.cwd()
const cache = join(root, "node_modules/.cache/api-reference")
const dependencies = { typedoc: "0.28.20", typescript: "6.0.3" }

const run = (program: string, ...args: ReadonlyArray<string>) => {
  const { status } = spawnSync(program, args, { cwd: cache, stdio: "inherit" })
  if (status !== 0) process.exit(status ?? 1)
}

/** The source of each public entry. Patterns are the functions that Convex calls, which convex-backend's README lists. */
const entryPoints = publishedPackages(root).flatMap(({ folder, manifest }) =>
  Object.entries(manifest.exports ?? {}).flatMap(([path, target]) => {
    const source: unknown = typeof target === "object" && target !== null ? Object.values(target)[0] : undefined
    return typeof source !== "string" || /[*]|thread$|json$/.test(path) ? [] : [join(folder, source)]
  })
)

mkdirSync(cache, { recursive: true })
writeFileSync(join(cache, "package.json"), JSON.stringify({ private: true, dependencies }))
if (!existsSync(join(cache, "node_modules/typedoc"))) run("npm", "install", "--no-audit", "--no-fund")
const compilerOptions = { typeRoots: [join(root, "node_modules/@types")], plugins: [] }
const tsconfig = { extends: join(root, "tsconfig.base.json"), compilerOptions, files: entryPoints }
writeFileSync(join(cache, "tsconfig.json"), JSON.stringify(tsconfig))
const options = {
  entryPoints,
  basePath: root,
  displayBasePath: root,
  name: "opencode-worker",
  out: join(cache, "html"),
  readme: "none",
  skipErrorChecking: true,
  tsconfig: join(cache, "tsconfig.json"),
  validation: { notExported: false, invalidLink: true },
  sourceLinkTemplate: "https://github.com/opencode-worker/opencode-worker/blob/main/{path}#L{line}",
  disableGit: true,
  excludeExternals: true
}
writeFileSync(join(cache, "typedoc.json"), JSON.stringify(options))
run(process.execPath, join(cache, "node_modules/typedoc/bin/typedoc"), "--options", join(cache, "typedoc.json"))
