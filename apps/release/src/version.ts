/** `pnpm run version`: applies the changesets, and releases the command when a library in its bundle is released. */
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { commandChangeset } from "./bundled.ts"
import { publishedPackages } from "./packages.ts"

const root = process.cwd()
const changesets = join(fileURLToPath(import.meta.resolve("@changesets/cli/package.json")), "../bin.js")

const applyChangesets = () => {
  const { status } = spawnSync(process.execPath, [changesets, "version"], { cwd: root, stdio: "inherit" })
  if (status !== 0) process.exit(status ?? 1)
}

const manifests = () => publishedPackages(root).map(({ manifest }) => manifest)

const before = manifests()
applyChangesets()
const missing = commandChangeset(before, manifests())
if (missing !== undefined) {
  writeFileSync(join(root, ".changeset/bundled-libraries.md"), missing)
  applyChangesets()
}
