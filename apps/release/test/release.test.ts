/** The release scripts in a small repository of their own. */
import { assert, describe, it } from "vitest"
import { startRegistry } from "./registry.ts"
import { repository, scripts } from "./repository.ts"

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

  it("publishes nothing when the tests fail", async () => {
    const registry = await startRegistry(() => false)
    const { git, run, write } = repository("0.1.0", {})
    write("package.json", { name: "root", private: true, scripts: scripts("exit 1") })
    git("commit", "--all", "--quiet", "--message", "break the tests")
    const { code, stderr } = await run("release", registry.variables)
    assert.strictEqual(code, 1)
    assert.match(stderr, /`pnpm run test` failed \(exit code 1\)\nNothing was published/)
    assert.deepStrictEqual(registry.published, [])
  })

  it("applies the changesets, and goes on where the registry failed when it runs again", async () => {
    const [apart, bundled] = ["@opencode-worker/apart", "@opencode-worker/bundled"]
    let broken = true
    const registry = await startRegistry((name) => broken && name === apart)
    const first = changeset(`"${apart}": minor`, `"${bundled}": minor`, `"opencode-worker": minor`)
    const { git, run, write } = repository("0.0.0", { first })
    // The tests have no access to the registry, nor to the file of the workflow.
    write("package.json", {
      name: "root",
      private: true,
      scripts: scripts('[ -z "$NODE_AUTH_TOKEN$CHANGESETS_OUTPUT" ]')
    })
    git("commit", "--all", "--quiet", "--message", "test without a token")

    const failed = await run("release", registry.variables)
    assert.strictEqual(failed.code, 1)
    assert.notInclude(failed.stderr, "Nothing was published")
    assert.include(failed.stderr, "Run `pnpm release` again: it publishes the others.")
    assert.sameMembers(registry.published, [bundled, "opencode-worker"])
    assert.sameMembers(registry.tags(), [`${bundled}@0.1.0`, "opencode-worker@0.1.0"])
    assert.strictEqual(git("log", "-1", "--format=%s").trim(), "build: release")

    broken = false
    assert.strictEqual((await run("release", registry.variables)).code, 0)
    assert.sameMembers(registry.published, [bundled, "opencode-worker", apart])
    assert.sameMembers(registry.tags(), [`${bundled}@0.1.0`, "opencode-worker@0.1.0", `${apart}@0.1.0`])
    assert.sameMembers(git("tag", "--list").trim().split("\n"), registry.tags())
    assert.strictEqual(git("status", "--porcelain"), "")

    // Everything is published: a third run changes nothing.
    assert.strictEqual((await run("release", registry.variables)).code, 0)
    assert.lengthOf(registry.published, 3)
  })
})
