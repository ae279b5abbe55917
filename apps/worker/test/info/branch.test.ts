import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it, onTestFinished } from "vitest"
import { branchOf } from "../../src/info/branch.ts"

const folder = () => {
  const root = mkdtempSync(join(tmpdir(), "branch-"))
  onTestFinished(() => rmSync(root, { recursive: true }))
  mkdirSync(join(root, ".git"))
  mkdirSync(join(root, "packages", "app"), { recursive: true })
  return root
}
const head = (root: string, content: string) => writeFileSync(join(root, ".git", "HEAD"), content)

describe("the branch of a directory", () => {
  it("is read from the nearest repository, from a worktree, and is a commit if none is checked out", async () => {
    const root = folder()
    head(root, "ref: refs/heads/feature/list\n")
    assert.strictEqual(await branchOf(root), "feature/list")
    assert.strictEqual(await branchOf(join(root, "packages", "app")), "feature/list")
    const tree = folder()
    rmSync(join(tree, ".git"), { recursive: true })
    writeFileSync(join(tree, ".git"), `gitdir: ${join(root, ".git")}\n`)
    assert.strictEqual(await branchOf(tree), "feature/list")
    head(root, `${"0123456789ab".repeat(3)}cdef\n`)
    assert.strictEqual(await branchOf(root), "0123456789ab")
  })

  it("is not read from links, pipes and other content", async () => {
    const root = folder()
    assert.isNull(await branchOf(root))
    for (const content of ["secret", "ref: refs/tags/one", `ref: refs/heads/${"x".repeat(300)}`, ""]) {
      head(root, content)
      assert.isNull(await branchOf(root), content)
    }
    head(root, "ref: refs/heads/a\u202eb")
    assert.strictEqual(await branchOf(root), "a b")
    const file = join(root, ".git", "HEAD")
    rmSync(file)
    writeFileSync(join(root, "target"), "ref: refs/heads/main\n")
    symlinkSync(join(root, "target"), file)
    assert.isNull(await branchOf(root))
    rmSync(file)
    execFileSync("sh", ["-c", `mkfifo "$0"`, file])
    assert.isNull(await branchOf(root))
  })
})
