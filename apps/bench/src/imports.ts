/**
 * The cost of importing each public entry of the packages, as built: the time of a cold `import()` in a new Node.js
 * process, next to `effect/Effect` and the Convex client in the same round, and the bytes of a minified bundle of the whole
 * entry with its dependencies. Peers: `p-queue` with `lru-cache`, OpenCode's SDK, and the libraries that a Convex client in
 * Effect needs, without a line of ours.
 */
import { execFile } from "node:child_process"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { build } from "esbuild"
import type { Line } from "./report.ts"
import { median, round } from "./statistics.ts"

interface Entry {
  /** Specifiers that are imported together. */
  readonly specifiers: ReadonlyArray<string>
  /** Where they resolve. */
  readonly directory: string
}

const folder = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))

const base: Entry = { specifiers: ["effect/Effect"], directory: folder("packages/session-pool") }
const convex: Entry = { specifiers: ["convex/browser"], directory: folder("packages/effect-convex") }
const withConvex = (...modules: ReadonlyArray<string>): Entry => ({
  ...convex,
  specifiers: [...convex.specifiers, ...modules]
})
const peers: ReadonlyArray<Entry> = [
  withConvex("effect/Effect"),
  withConvex("effect/Effect", "effect/Stream"),
  { specifiers: ["p-queue", "lru-cache"], directory: folder("apps/bench") },
  { specifiers: ["@opencode-ai/sdk"], directory: folder("packages/opencode-host") }
]

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly exports: Readonly<Record<string, unknown>>
}

const isManifest = (value: unknown): value is Manifest =>
  typeof value === "object" && value !== null && "exports" in value && typeof value.exports === "object"

const entriesOf = async (directory: string): Promise<ReadonlyArray<Entry>> => {
  const manifest: unknown = JSON.parse(await readFile(join(directory, "package.json"), "utf8"))
  if (!isManifest(manifest) || manifest.private === true) return []
  // `thread` is the code of a worker thread, and no module to import.
  return Object.keys(manifest.exports)
    .filter((path) => !/[*]|[.]json$|thread$/.test(path))
    .map((path) => ({ specifiers: [join(manifest.name, path)], directory }))
}

interface Cost {
  readonly wallMs: number
  /** Processor time, which the load of the machine changes less. */
  readonly cpuMs: number
}

/** The cost in a new process, without that of its own start. */
const coldImport = async ({ directory, specifiers }: Entry): Promise<Cost> => {
  const loads = specifiers.map((specifier) => `await import(${JSON.stringify(specifier)})`).join(";")
  const code = `const began = performance.now(), cpu = process.cpuUsage(); ${loads}; const { user, system } = process.cpuUsage(cpu)
    console.log(performance.now() - began, (user + system) / 1000); process.exit()`
  const options = { cwd: directory }
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", code], options)
  const [wallMs = NaN, cpuMs = NaN] = stdout.split(" ").map(Number)
  return { wallMs, cpuMs }
}

const minifiedBytes = async ({ directory, specifiers }: Entry) => {
  const contents = specifiers.map((specifier, i) => `export * as e${i} from ${JSON.stringify(specifier)}`).join("\n")
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: directory },
    bundle: true,
    external: ["esbuild"],
    format: "esm",
    logLevel: "error",
    minify: true,
    platform: "node",
    write: false
  })
  return outputFiles[0]?.contents.length ?? 0
}

export async function* imports(quick: boolean): AsyncGenerator<Line> {
  const rounds = quick ? 1 : 15
  const packages = await readdir(folder("packages"))
  const own = await Promise.all(packages.toSorted().map((name) => entriesOf(folder(`packages/${name}`))))
  const entries = [base, convex, ...peers, ...own.flat()]
  const costs = entries.map((): Array<Cost> => [])
  for (let i = 0; i < rounds; i++) {
    for (const [at, entry] of entries.entries()) costs[at]?.push(await coldImport(entry))
  }
  const [ofEffect = [], ofConvex = []] = costs
  for (const [at, entry] of entries.entries()) {
    const mine = costs[at] ?? []
    const middle = (field: keyof Cost) => round(median(mine.map((cost) => cost[field])))
    /** Of costs in the same round, so that a slow round does not count. */
    const ratio = (field: keyof Cost, peer: ReadonlyArray<Cost>) =>
      Math.round(median(mine.map((cost, i) => cost[field] / (peer[i]?.[field] ?? NaN))) * 100) / 100
    yield {
      bench: "imports",
      entry: entry.specifiers.join(" + "),
      rounds,
      coldMs: middle("wallMs"),
      cpuMs: middle("cpuMs"),
      ratioToEffect: ratio("wallMs", ofEffect),
      cpuRatioToEffect: ratio("cpuMs", ofEffect),
      cpuRatioToConvex: ratio("cpuMs", ofConvex),
      minifiedBytes: await minifiedBytes(entry)
    }
  }
}
