/** The release scripts in a small repository of their own. */
import { execFile, execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it, onTestFinished } from "vitest"

const path = (relative: string) => join(import.meta.dirname, relative)
const config = JSON.parse(readFileSync(path("../../../.changeset/config.json"), "utf8"))

/** A repository with the command, a library that it bundles, one that it does not bundle, and these changesets. */
const repository = (version: string, changesets: Record<string, string>) => {
  const root = mkdtempSync(join(tmpdir(), "release-"))
  onTestFinished(() => rmSync(root, { force: true, recursive: true }))
  const write = (file: string, content: unknown) => {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), typeof content === "string" ? content : JSON.stringify(content))
  }
  const git = (...args: ReadonlyArray<string>) =>
    execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.com", ...args], { cwd: root })
  write("package.json", { name: "root", private: true })
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
    write,
    /** Runs a script; resolves to its exit code and its output. */
    run: async (script: string) => {
      const options = { cwd: root, env: { ...process.env, NO_COLOR: "1" } }
      const finished = promisify(execFile)(process.execPath, [path(`../src/${script}.ts`)], options)
      const { code = 0, stderr } = await finished.catch((error) => error)
      return { code, stderr }
    },
    version: (folder: string): string => JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")).version,
    changelog: (folder: string) => readFileSync(join(root, folder, "CHANGELOG.md"), "utf8")
  }
}

const changeset = (...bumps: ReadonlyArray<string>) => `---\n${bumps.join("\n")}\n---\n\nFixes a bug.\n`

describe("version", () => {
  it("releases the command when a library of its bundle is released, and names the library", async () => {
    const { changelog, run, version } = repository("0.1.0", { fix: changeset(`"@opencode-worker/bundled": minor`) })
    assert.strictEqual((await run("version")).code, 0)
    assert.strictEqual(version("packages/bundled"), "0.2.0")
    assert.strictEqual(version("apps/worker"), "0.1.1")
    assert.include(changelog("apps/worker"), "Contains @opencode-worker/bundled 0.2.0")
    assert.include(changelog("packages/bundled"), "Fixes a bug.")
  })

  it("does not release the command for a library outside of its bundle", async () => {
    const { run, version } = repository("0.1.0", { fix: changeset(`"@opencode-worker/apart": patch`) })
    assert.strictEqual((await run("version")).code, 0)
    assert.deepStrictEqual([version("packages/apart"), version("apps/worker")], ["0.1.1", "0.1.0"])
  })

  it("adds nothing when a changeset names the command, and makes 0.1.0 of first releases", async () => {
    const first = changeset(`"@opencode-worker/bundled": minor`, `"opencode-worker": minor`)
    const { changelog, run, version } = repository("0.0.0", { first })
    assert.strictEqual((await run("version")).code, 0)
    assert.deepStrictEqual([version("packages/bundled"), version("apps/worker")], ["0.1.0", "0.1.0"])
    assert.notInclude(changelog("apps/worker"), "Contains")
  })
})

describe("release", () => {
  it("refuses a tree with changes that are not committed", async () => {
    const { run, write } = repository("0.1.0", {})
    write("packages/apart/new.ts", "")
    const { code, stderr } = await run("release")
    assert.strictEqual(code, 1)
    assert.match(stderr, /not committed:\n\?\? packages\/apart\/new.ts\nNothing was published/)
  })

  it("refuses packages without a version", async () => {
    const { code, stderr } = await repository("0.0.0", {}).run("release")
    assert.strictEqual(code, 1)
    assert.match(stderr, /no version of a release: opencode-worker, @opencode-worker\/apart, @opencode-worker\/bundled/)
  })
})
