/** Versions, builds and publishes a copy of the working tree: the tree itself stays as it is. */
import { execFileSync } from "node:child_process"
import { cpSync } from "node:fs"
import { join } from "node:path"
import { publishedPackages, type Package } from "../packages.ts"
import { run } from "./process.ts"
import type { Registry } from "./registry.ts"

/** Publishes the tree `root` from `folder` to the registry. Resolves to the published packages with their versions. */
export const publishCopy = async (
  root: string,
  folder: string,
  registry: Registry
): Promise<ReadonlyArray<Package>> => {
  const listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
  const files = execFileSync("git", listing, { cwd: root, encoding: "utf8", maxBuffer: 2 ** 26 }).split("\0")
  for (const file of files.filter(Boolean)) cpSync(join(root, file), join(folder, file))
  const env = { ...process.env, DO_NOT_TRACK: "1", npm_config_userconfig: registry.npmrc }
  const inCopy = (program: string, ...args: ReadonlyArray<string>) => run(program, args, { cwd: folder, env })
  const commit = async (message: string) => {
    await inCopy("git", "add", "--all")
    const user = ["-c", "user.name=Rehearsal", "-c", "user.email=rehearsal@example.com"]
    await inCopy("git", ...user, "commit", "--quiet", "--message", message)
  }
  await inCopy("git", "init", "--quiet", "--initial-branch=main")
  await commit("copy")
  // From the same registry as the workspace, since the lockfile has its addresses.
  await run("pnpm", ["install", "--frozen-lockfile", "--prefer-offline"], { cwd: folder, env: process.env })
  await inCopy("pnpm", "run", "version")
  await commit("build: release")
  await inCopy("pnpm", "run", "build", "--output-logs=errors-only")
  await inCopy("pnpm", "exec", "changeset", "publish", "--no-git-tag")
  return publishedPackages(folder)
}
