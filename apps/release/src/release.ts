/**
 * `pnpm release`: applies the changesets in a commit, tests, and publishes the packages whose version is not on the registry.
 * Arguments are passed to `changeset publish`. It pushes nothing: push the commit and the tags after it.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { publishedPackages } from "./packages.ts"
import { refusals } from "./refusals.ts"

const root = process.cwd()

const fail = (reasons: ReadonlyArray<string>): never => {
  for (const reason of reasons) console.error(reason)
  console.error("Nothing was published.")
  process.exit(1)
}

const run = (program: string, ...args: ReadonlyArray<string>) => {
  const { status } = spawnSync(program, args, { cwd: root, stdio: "inherit" })
  if (status !== 0) fail([`\`${[program, ...args].join(" ")}\` failed (exit code ${status})`])
}

const tree = () => ({
  changes: execFileSync("git", ["status", "--porcelain"], { cwd: root, encoding: "utf8" }),
  changesets: readdirSync(join(root, ".changeset")).filter((name) => name.endsWith(".md") && name !== "README.md"),
  packages: publishedPackages(root).map(({ manifest }) => manifest)
})

const refuse = () => {
  const reasons = refusals(tree())
  if (reasons.length > 0) fail(reasons)
}

const { changes, changesets } = tree()
const dirty = refusals({ changes, changesets: [], packages: [] })
if (dirty.length > 0) fail(dirty)

if (changesets.length > 0) {
  run("pnpm", "run", "version")
  run("git", "add", "--all")
  run("git", "commit", "--quiet", "--message", "build: release")
}
refuse()
run("pnpm", "run", "test")
// The tests must not have changed the tree either.
refuse()
run("pnpm", "exec", "changeset", "publish", ...process.argv.slice(2))
