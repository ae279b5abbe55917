/**
 * `pnpm release:rehearse`: publishes the tree to a registry on this machine, and uses the packages as a stranger would. It
 * publishes nothing elsewhere, and changes nothing in the tree. `--only <step>` runs some steps; `--keep` keeps the projects.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { publishedPackages } from "../packages.ts"
import { demo } from "./demo.ts"
import { exampleProjects } from "./exampleProjects.ts"
import { runExamples } from "./examples.ts"
import {
  aloneInstall,
  bunInstall,
  denoInstall,
  importsOfNpm,
  type Installed,
  npmInstall,
  pnpmInstall
} from "./installs.ts"
import { publishCopy } from "./publish.ts"
import { writeExamples } from "./readme.ts"
import { startRegistry } from "./registry.ts"
import { installRuntimes } from "./runtimes.ts"
import { coldImports, sizes } from "./sizes.ts"
import { types } from "./types.ts"

const steps = [
  ...(["demo", "imports", "types", "README examples", "example projects", "pnpm", "Bun", "Deno"] as const),
  ...(["each package alone", "sizes", "cold imports"] as const)
]

const { values } = parseArgs({ options: { keep: { type: "boolean" }, only: { type: "string", multiple: true } } })
const unknown = values.only?.filter((name) => steps.every((known) => known !== name)) ?? []
if (unknown.length > 0) {
  console.error(`Unknown steps: ${unknown.join(", ")}. The steps are: ${steps.join(", ")}.`)
  process.exit(2)
}

const root = process.cwd()
// The real path, since the temporary folder of macOS is a link.
const folder = mkdtempSync(join(tmpdir(), "rehearsal-"))
const began = performance.now()
let failures = 0

const report = (line: string) =>
  console.log(`${String(Math.round((performance.now() - began) / 1000)).padStart(5)} s  ${line}`)

/** Runs a step; a step that fails is reported, and the next ones run all the same. */
const step = async (name: (typeof steps)[number], work: () => AsyncIterable<string> | Promise<string>) => {
  if (values.only?.includes(name) === false) return
  try {
    const lines = work()
    if (Symbol.asyncIterator in lines) for await (const line of lines) report(line)
    else report(await lines)
  } catch (error) {
    failures++
    report(`FAILED: ${name}\n${error instanceof Error ? error.message : String(error)}`)
  }
}

try {
  const names = publishedPackages(root).map(({ manifest }) => manifest.name)
  await using registry = await startRegistry(join(root, "node_modules/.cache/rehearsal"), names)
  report(`registry: ${registry.url}`)
  const copy = join(folder, "copy")
  mkdirSync(copy)
  const packages = await publishCopy(root, copy, registry)
  report(`published: ${packages.map(({ manifest }) => `${manifest.name} ${manifest.version}`).join(", ")}`)

  const place = { folder: join(folder, "projects"), npmrc: registry.npmrc, registry: registry.url }
  const runtimes = await installRuntimes(place)
  const installed: Installed = { packages, place, runtimes }
  await step("demo", () => demo(installed))
  const project = await npmInstall(installed)
  const examples = writeExamples(project, packages)
  await step("imports", () => importsOfNpm(project, installed))
  await step("types", () => types(project, installed))
  await step("README examples", () => runExamples(project, examples))
  await step("example projects", () => exampleProjects(root, project, installed))
  await step("pnpm", () => pnpmInstall(installed))
  await step("Bun", () => bunInstall(installed))
  await step("Deno", () => denoInstall(installed))
  await step("each package alone", () => aloneInstall(installed))
  await step("sizes", () => sizes(installed))
  await step("cold imports", () => coldImports(project, installed))
} finally {
  if (values.keep === true) console.log(`Kept: ${folder}`)
  else rmSync(folder, { force: true, recursive: true })
}
console.log(failures === 0 ? "The rehearsal passed." : `${failures} steps failed.`)
process.exitCode = failures === 0 ? 0 : 1
