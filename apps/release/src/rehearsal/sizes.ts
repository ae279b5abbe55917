/** Sizes of the published packages, and the cost to import them next to that of the library below. */
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import type { Installed } from "./installs.ts"
import type { Project } from "./project.ts"

const kB = (bytes: number) => `${Math.round(bytes / 1000).toLocaleString("en")} kB`

const folderSize = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { name, parentPath }) => sum + statSync(join(parentPath, name)).size, 0)

/** Tarball, unpacked, and the whole node_modules of a project that installs only this package. */
export async function* sizes({ packages, place }: Installed): AsyncGenerator<string> {
  for (const { manifest } of packages) {
    const tarball = `${manifest.name}/-/${manifest.name.replace(/^.*\//, "")}-${manifest.version}.tgz`
    const packed = (await (await fetch(`${place.registry}${tarball}`)).arrayBuffer()).byteLength
    const modules = join(place.folder, "alone", manifest.name, "node_modules")
    const unpacked = folderSize(join(modules, manifest.name))
    yield `${manifest.name}: tarball ${kB(packed)}, unpacked ${kB(unpacked)}, with its dependencies ${kB(folderSize(modules))}`
  }
}

/** Package -> the library that its user would import otherwise. */
const below: Readonly<Record<string, string>> = {
  "@opencode-worker/client": "convex/browser",
  "@opencode-worker/convex-embedded": "convex/server",
  "@opencode-worker/convex-sync": "convex/browser",
  "@opencode-worker/effect-convex": "convex/browser",
  "@opencode-worker/model-cache": "effect/Effect",
  "@opencode-worker/opencode-host": "@opencode-ai/sdk",
  "@opencode-worker/session-pool": "effect/Effect",
  "@opencode-worker/testkit": "effect/Effect",
  "@opencode-worker/worker-fsm": "effect/Effect"
}

const rounds = 5

const median = (numbers: ReadonlyArray<number>) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0

/** Processor time of a cold import in a new process, as a ratio to the library below in the same round. */
export async function* coldImports(project: Project, { runtimes }: Installed): AsyncGenerator<string> {
  const node = join(runtimes.bin("node26"), "node")
  const cost = async (specifier: string) => {
    const code = `const cpu = process.cpuUsage(); await import("${specifier}"); const { user, system } = process.cpuUsage(cpu)
      console.log(user + system); process.exit()`
    return Number(await project.run(node, "--input-type=module", "-e", code))
  }
  for (const [name, library] of Object.entries(below)) {
    const ratios: Array<number> = []
    for (let i = 0; i < rounds; i++) {
      const base = await cost(library)
      ratios.push((await cost(name)) / base)
    }
    yield `import of ${name}: ${median(ratios).toFixed(1)} times that of ${library}`
  }
}
