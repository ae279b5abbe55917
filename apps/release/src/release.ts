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

const fail = (reasons: ReadonlyArray<string>, consequence = "Nothing was published."): never => {
  for (const line of [...reasons, consequence]) console.error(line)
  process.exit(1)
}

interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  /** The state after a failure. */
  readonly consequence?: string
}

const run = ([program, ...args]: readonly [string, ...Array<string>], { consequence, env }: RunOptions = {}) => {
  const { status } = spawnSync(program, args, { cwd: root, stdio: "inherit", ...(env !== undefined && { env }) })
  if (status !== 0) fail([`\`${[program, ...args].join(" ")}\` failed (exit code ${status})`], consequence)
}

/** Tests, and the programs that they start, cannot publish, and do not report tags to the workflow. */
const withoutPublishing = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/TOKEN|PROVENANCE|CHANGESETS_OUTPUT/i.test(name))
)

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
  run(["pnpm", "run", "version"])
  run(["git", "add", "--all"])
  run(["git", "commit", "--quiet", "--message", "build: release"])
}
refuse()
run(["pnpm", "run", "test"], { env: withoutPublishing })
// The tests must not have changed the tree either.
refuse()
// The tests need no types, so they are not built yet.
run(["pnpm", "run", "build"], { env: withoutPublishing })
run(["pnpm", "exec", "changeset", "publish", ...process.argv.slice(2)], {
  consequence: "Some packages may be published. Run `pnpm release` again: it publishes the others."
})
