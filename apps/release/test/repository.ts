/** A small repository with the release scripts, for tests. */
import { execFile, execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { promisify } from "node:util"
import { onTestFinished } from "vitest"

const path = (relative: string) => join(import.meta.dirname, relative)
const config = JSON.parse(readFileSync(path("../../../.changeset/config.json"), "utf8"))

/** The scripts of the root: `test` is a shell command. */
export const scripts = (test: string) => ({ build: "exit 0", test, version: `node ${path("../src/version.ts")}` })

/** A repository with the command, a library that it bundles, one that it does not bundle, and these changesets. */
export const repository = (version: string, changesets: Record<string, string>) => {
  const root = mkdtempSync(join(tmpdir(), "release-"))
  onTestFinished(() => rmSync(root, { force: true, recursive: true }))
  const write = (file: string, content: unknown) => {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), typeof content === "string" ? content : JSON.stringify(content))
  }
  const git = (...args: ReadonlyArray<string>) =>
    execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.com", ...args], {
      cwd: root,
      encoding: "utf8"
    })
  write("package.json", { name: "root", private: true, scripts: scripts("exit 0") })
  write(".gitignore", "node_modules\n")
  write("pnpm-workspace.yaml", "packages: [packages/*, apps/*]\n")
  write(".changeset/config.json", { ...config, changelog: "@changesets/changelog-git" })
  for (const [name, summary] of Object.entries(changesets)) write(`.changeset/${name}.md`, summary)
  const devDependencies = { "@opencode-worker/bundled": "workspace:^" }
  write("apps/worker/package.json", { name: "opencode-worker", version, devDependencies })
  write("packages/bundled/package.json", { name: "@opencode-worker/bundled", version })
  write("packages/apart/package.json", { name: "@opencode-worker/apart", version })
  git("init", "--quiet", "--initial-branch=main")
  git("add", "--all")
  git("commit", "--quiet", "--message", "first")
  return {
    git,
    write,
    /** Runs a script with these variables, and few others; resolves to its exit code and its output. */
    run: async (script: string, variables: NodeJS.ProcessEnv = {}) => {
      const { HOME, PATH } = process.env
      const env = {
        HOME,
        PATH: [path("../node_modules/.bin"), PATH].join(delimiter),
        NO_COLOR: "1",
        GIT_AUTHOR_NAME: "Test",
        GIT_AUTHOR_EMAIL: "test@example.com",
        GIT_COMMITTER_NAME: "Test",
        GIT_COMMITTER_EMAIL: "test@example.com",
        ...variables
      }
      const finished = promisify(execFile)(process.execPath, [path(`../src/${script}.ts`)], { cwd: root, env })
      const { code = 0, stderr } = await finished.catch((error) => error)
      return { code, stderr }
    },
    version: (folder: string): string => JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")).version,
    changelog: (folder: string) => readFileSync(join(root, folder, "CHANGELOG.md"), "utf8")
  }
}
