/** Installs the packages with each package manager, and imports every entry with each runtime. */
import { join } from "node:path"
import type { Package } from "../packages.ts"
import { entriesOf, importer } from "./entries.ts"
import { makeProject, type Place, type Project } from "./project.ts"
import type { Runtimes } from "./runtimes.ts"

export interface Installed {
  readonly place: Place
  readonly packages: ReadonlyArray<Package>
  readonly runtimes: Runtimes
}

const withVersions = (packages: ReadonlyArray<Package>) =>
  packages.map(({ manifest }) => `${manifest.name}@${manifest.version}`)

/** The peer dependencies of all packages, and what the README examples need. */
const others = ["effect@^4.1.0", "@effect/platform-node@^4.1.0", "convex@^1.48.0", "esbuild@^0.28.0"]

/** A program name and arguments that run a module of the project. */
const runner: Record<"node24" | "node26" | "bun" | "deno", (bin: string) => readonly [string, ...Array<string>]> = {
  node24: (bin) => [join(bin, "node")],
  node26: (bin) => [join(bin, "node")],
  bun: (bin) => [join(bin, "bun"), "run"],
  deno: (bin) => [join(bin, "deno"), "run", "--allow-all"]
}

const importAll = async (
  project: Project,
  { packages, runtimes }: Installed,
  runtime: keyof typeof runner,
  load: "import" | "require" = "import"
): Promise<Readonly<Record<string, string>>> => {
  project.write(`${load}.mjs`, importer(load))
  const [program, ...args] = runner[runtime](runtimes.bin(runtime))
  return JSON.parse(await project.run(program, ...args, `${load}.mjs`, ...packages.flatMap(entriesOf)))
}

/** The lines of the report for imports; throws if an entry failed that is not `expected`. */
const described = (
  title: string,
  failed: Readonly<Record<string, string>>,
  packages: ReadonlyArray<Package>,
  expected?: RegExp
): string => {
  const [entries, names] = [packages.flatMap(entriesOf), Object.keys(failed)]
  const list = names.map((name) => `${name}: ${failed[name]}`)
  const unexpected = list.filter((line) => expected?.test(line) !== true)
  if (unexpected.length > 0) throw new Error(`${title}: ${unexpected.join("\n")}`)
  return [`${title}: ${entries.length - names.length} of ${entries.length} entries`, ...list].join("\n  not: ")
}

/** npm: the project that later steps use. */
export const npmInstall = async (installed: Installed): Promise<Project> => {
  const { packages, place, runtimes } = installed
  const project = makeProject(place, "npm", [runtimes.bin("node24")])
  await project.run("npm", "install", ...withVersions(packages), ...others, "@types/node@24")
  return project
}

export async function* importsOfNpm(project: Project, installed: Installed): AsyncGenerator<string> {
  for (const node of ["node24", "node26"] as const)
    for (const load of ["import", "require"] as const) {
      const title = `npm, Node.js ${installed.runtimes.version(node)}, ${load}`
      yield described(title, await importAll(project, installed, node, load), installed.packages)
    }
}

export const pnpmInstall = async (installed: Installed): Promise<string> => {
  const { packages, place, runtimes } = installed
  const project = makeProject(place, "pnpm", [runtimes.bin("node26")])
  const store = join(place.folder, "pnpm-store")
  const pnpm = join(runtimes.bin("pnpm"), "pnpm.mjs")
  const args = ["add", "--ignore-scripts", "--store-dir", store, ...withVersions(packages), ...others]
  await project.run("node", pnpm, ...args)
  return described("pnpm, isolated node_modules", await importAll(project, installed, "node26"), packages)
}

export const bunInstall = async (installed: Installed): Promise<string> => {
  const { packages, place, runtimes } = installed
  const project = makeProject(place, "bun")
  await project.run(join(runtimes.bin("bun"), "bun"), "add", "--ignore-scripts", ...withVersions(packages), ...others)
  return described(`Bun ${runtimes.version("bun")}`, await importAll(project, installed, "bun"), packages)
}

/** Deno resolves optional dependencies of every platform, and a mirror may lack some: OpenCode's packages are left out. */
export const denoInstall = async (installed: Installed): Promise<string> => {
  const { place, runtimes } = installed
  const packages = installed.packages.filter(({ manifest }) => manifest.optionalDependencies === undefined)
  const project = makeProject(place, "deno")
  const specifiers = [...withVersions(packages), ...others].map((name) => `npm:${name}`)
  // Deno refuses versions that are younger than a day.
  project.write("deno.json", JSON.stringify({ nodeModulesDir: "auto", minimumDependencyAge: 0 }))
  await project.run(join(runtimes.bin("deno"), "deno"), "add", ...specifiers)
  const failed = await importAll(project, { ...installed, packages }, "deno")
  return described(`Deno ${runtimes.version("deno")}, without OpenCode's packages`, failed, packages)
}

/** Each package alone: its entries load without the optional peers, except those that are for one of them. */
export async function* aloneInstall(installed: Installed): AsyncGenerator<string> {
  const { place, runtimes } = installed
  for (const one of installed.packages) {
    const { name } = one.manifest
    const project = makeProject(place, `alone/${name}`, [runtimes.bin("node26")])
    await project.run("npm", "install", "--omit=optional", ...withVersions([one]))
    const optional = Object.keys(one.manifest.peerDependenciesMeta ?? {}).join("|")
    const needsPeer = optional === "" ? undefined : new RegExp(`Cannot find package '(${optional})(/[^']*)?'`)
    const failed = await importAll(project, { ...installed, packages: [one] }, "node26")
    yield described(`${name} alone`, failed, [one], needsPeer)
  }
}
