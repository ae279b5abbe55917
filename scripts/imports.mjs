// Checks the import table of the architecture: which packages the source of each package imports, and that the rooms
// (folders) of a package import in one direction, and that libraries import single modules of Effect. oxlint checks import cycles, turbo checks the dependencies of package.json.
import { globSync, readFileSync } from "node:fs"
import { dirname, relative, resolve } from "node:path"

/** Folder or file -> packages that it may import. The longest matching key applies. Apps may import everything. */
const allowed = {
  "packages/client/": ["convex", "@opencode-worker/convex-backend"],
  "packages/client/src/effect": ["effect", "@opencode-worker/effect-convex"],
  "packages/convex-backend/": ["convex", "convex-helpers"],
  "packages/convex-embedded/": ["convex", "ws", "jose", "croner", "esbuild"],
  "packages/convex-embedded/src/effect.ts": ["effect"],
  "packages/convex-sync/": ["effect", "convex", "@opencode-worker/effect-convex", "@opencode-worker/convex-backend"],
  "packages/effect-convex/": ["effect", "convex"],
  "packages/harness/": [
    "effect",
    "@effect/platform-node",
    "@opencode-worker",
    "@sparticuz/chromium",
    "convex",
    "esbuild",
    "jose",
    "playwright-core",
    "ws"
  ],
  "packages/model-cache/": ["effect"],
  "packages/opencode-host/": [
    "effect",
    // Single modules: the barrel imports every service of the platform, and requires redis.
    "@effect/platform-node/NodeChildProcessSpawner",
    "@effect/platform-node/NodeFileSystem",
    "@effect/platform-node/NodePath",
    "@opencode-ai/sdk"
  ],
  "packages/session-pool/": ["effect"],
  "packages/testkit/": ["effect"],
  "packages/worker-fsm/": ["effect"]
}

/** Rooms in the order of their layers: a room imports itself and the rooms before it. Files outside of rooms are not checked. */
const rooms = {
  "packages/convex-embedded/src/internal": [
    "values",
    "storage",
    "query",
    "functions",
    "engine",
    "threads",
    "scheduling",
    "access",
    "sync",
    "http"
  ]
}

const problems = []
const importPattern = /(?:\bfrom|\bimport)\s*\(?\s*"([\w@./:-]+)"/g
for (const file of globSync("packages/*/{src,convex}/**/*.{ts,tsx}", { exclude: ["**/_generated/**"] })) {
  const key = Object.keys(allowed).findLast((prefix) => file.startsWith(prefix))
  const code = readFileSync(file, "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "")
  for (const [, specifier] of code.matchAll(importPattern)) {
    if (specifier.startsWith(".")) checkRoom(file, specifier)
    else if (isBarrel(specifier) && !file.startsWith("packages/testkit/"))
      problems.push(`${file} imports all of ${specifier}: import single modules, such as effect/Effect`)
    else if (!/^\w+:/.test(specifier) && !allowed[key]?.some((name) => `${specifier}/`.startsWith(`${name}/`)))
      problems.push(
        `${file} imports ${specifier}; allowed: ${allowed[key]?.join(", ") ?? "nothing (add the package to scripts/imports.mjs)"}`
      )
  }
}

/** Indexes of Effect: a cold import of all modules takes twice as long as of those that a library uses. */
function isBarrel(specifier) {
  return /^effect(\/[a-z]+)?$/.test(specifier)
}

function checkRoom(file, specifier) {
  for (const [folder, order] of Object.entries(rooms)) {
    const roomOf = (path) => order.indexOf(relative(folder, path).split("/")[0])
    const [from, to] = [roomOf(file), roomOf(resolve(dirname(file), specifier))]
    if (from >= 0 && to > from) problems.push(`${file} imports ${specifier}: ${order[from]} is below ${order[to]}`)
  }
}

for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0
