/** Files that an undo compares, keeps and restores. */
import { mkdir, mkdtemp, readFile, readlink, rm, stat, symlink, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { assert, describe, it, onTestFinished } from "vitest"
import { changedAfter, hashOf, remember } from "../../src/opencode/files.ts"

const folder = async () => {
  const root = await mkdtemp(join(tmpdir(), "files-"))
  onTestFinished(() => rm(root, { recursive: true }))
  return root
}

describe("the hash of a file", () => {
  it("is of the link and not of its target, which may be endless", async () => {
    const root = await folder()
    const [link, other] = [join(root, "link"), join(root, "other")]
    await symlink("/dev/zero", link)
    await symlink("/dev/null", other)
    const hash = await Effect.runPromise(hashOf(link))
    assert.match(hash ?? "", /^[0-9a-f]{64}$/)
    assert.notStrictEqual(await Effect.runPromise(hashOf(other)), hash)
    assert.isNull(await Effect.runPromise(hashOf(join(root, "none"))))
    assert.strictEqual(await Effect.runPromise(hashOf(root)), "")
  })
})

const keep = async (path: string, undo: () => Promise<unknown>) => {
  const restore = await Effect.runPromise(remember(path))
  await undo()
  await Effect.runPromise(restore)
}

describe("a file that an undo leaves as it is", () => {
  it("is restored with its mode and time, also if its folder is gone", async () => {
    const path = join(await folder(), "bin", "run.sh")
    await mkdir(join(path, ".."))
    await writeFile(path, "echo\n", { mode: 0o755 })
    await utimes(path, 1_000, 1_000)
    await keep(path, () => rm(join(path, ".."), { recursive: true }))
    const { mode, mtimeMs } = await stat(path)
    assert.deepStrictEqual([await readFile(path, "utf8"), mode & 0o777, mtimeMs], ["echo\n", 0o755, 1_000_000])
  })

  it("is never written through a link that the undo restores", async () => {
    const root = await folder()
    const [path, outside] = [join(root, "conf"), join(root, "outside")]
    await writeFile(outside, "theirs")
    await writeFile(path, "mine")
    await keep(path, async () => {
      await rm(path)
      await symlink(outside, path)
    })
    assert.deepStrictEqual([await readFile(outside, "utf8"), await readFile(path, "utf8")], ["theirs", "mine"])
  })

  it("may be a link, or missing", async () => {
    const root = await folder()
    const [link, missing] = [join(root, "link"), join(root, "missing")]
    await symlink("nowhere", link)
    await keep(link, () => writeFile(link, "", { flag: "w" }).then(() => rm(link)))
    assert.strictEqual(await readlink(link), "nowhere")
    await keep(missing, () => writeFile(missing, "restored"))
    assert.isNull(await Effect.runPromise(hashOf(missing)))
  })

  it("prevents the undo if it cannot be read", async () => {
    const root = await folder()
    const exit = await Effect.runPromise(Effect.result(remember(root)))
    assert.strictEqual(exit._tag, "Failure")
    assert.isTrue((await stat(root)).isDirectory())
  })
})

describe("the files that were changed since an undo", () => {
  it("are not known if there are too many entries to look at", async () => {
    const root = await folder()
    for (const name of ["a", "b", "c"]) await writeFile(join(root, name), name)
    const changed = (entries: number) => Effect.runPromise(changedAfter(root, 0, 10, entries))
    assert.sameMembers([...((await changed(3)) ?? [])], ["a", "b", "c"])
    const past = await Effect.runPromise(changedAfter(root, Date.now() + 60_000, 10, 2))
    assert.isNull(past)
  })
})
