/** Files that an undo compares, keeps and restores. */
import { mkdir, mkdtemp, readFile, readlink, rm, stat, symlink, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { assert, describe, it, onTestFinished } from "vitest"
import { directoryFingerprints, hashOf } from "../../../src/opencode/fileHashes.ts"
import { keep, restore } from "../../../src/handlers/undo/kept.ts"

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

/** Keeps a file as an earlier process did at `keptAt`, undoes it, and restores it. Returns the reason of a refusal. */
const around = async (path: string, undo: () => Promise<unknown>, keptAt = Date.now()) => {
  const copies = await folder()
  const kept = await Effect.runPromise(keep(path, true, copies, "0"))
  await undo()
  return Effect.runPromise(
    Effect.match(restore(kept, copies, keptAt), { onSuccess: () => "", onFailure: (why) => why })
  )
}

describe("a file that an undo leaves as it is", () => {
  it("is restored with its mode and time, also if its folder is gone", async () => {
    const path = join(await folder(), "bin", "run.sh")
    await mkdir(join(path, ".."))
    await writeFile(path, "echo\n", { mode: 0o755 })
    await utimes(path, 1_000, 1_000)
    await around(path, () => rm(join(path, ".."), { recursive: true }))
    const { mode, mtimeMs } = await stat(path)
    assert.deepStrictEqual([await readFile(path, "utf8"), mode & 0o777, mtimeMs], ["echo\n", 0o755, 1_000_000])
  })

  it("is never written through a link that the undo restores", async () => {
    const root = await folder()
    const [path, outside] = [join(root, "conf"), join(root, "outside")]
    await writeFile(outside, "theirs")
    await writeFile(path, "mine")
    await around(path, async () => {
      await rm(path)
      await symlink(outside, path)
    })
    assert.deepStrictEqual([await readFile(outside, "utf8"), await readFile(path, "utf8")], ["theirs", "mine"])
  })

  it("may be a link, or missing", async () => {
    const root = await folder()
    const [link, missing] = [join(root, "link"), join(root, "missing")]
    await symlink("nowhere", link)
    await around(link, () => rm(link))
    assert.strictEqual(await readlink(link), "nowhere")
    await around(missing, () => writeFile(missing, "restored"))
    assert.isNull(await Effect.runPromise(hashOf(missing)))
  })

  it("is kept in a copy that only its owner can read", async () => {
    const root = await folder()
    const copies = await folder()
    await writeFile(join(root, "open"), "mine", { mode: 0o644 })
    await Effect.runPromise(keep(join(root, "open"), true, copies, "0"))
    assert.strictEqual((await stat(join(copies, "0"))).mode & 0o777, 0o600)
  })

  it("is left alone if a person changed it after the process had ended", async () => {
    const path = join(await folder(), "notes")
    await writeFile(path, "mine")
    const why = await around(path, () => writeFile(path, "mine, an hour later"), Date.now() - 3_600_000)
    assert.include(why, "changed since")
    assert.strictEqual(await readFile(path, "utf8"), "mine, an hour later")
  })

  it("prevents the undo if it cannot be read", async () => {
    const root = await folder()
    const exit = await Effect.runPromise(Effect.result(keep(root, true, await folder(), "0")))
    assert.strictEqual(exit._tag, "Failure")
    assert.isTrue((await stat(root)).isDirectory())
  })
})

describe("the state of a directory", () => {
  it("has the content of each file, without the excluded folder, and is not known if there are too many", async () => {
    const root = await folder()
    await mkdir(join(root, "data"))
    for (const name of ["a", "b", join("data", "c")]) await writeFile(join(root, name), name)
    const state = (entries: number) =>
      Effect.runPromise(directoryFingerprints(root, join(root, "data"), entries)).then(
        (found) => found && [...found.keys()]
      )
    assert.sameMembers((await state(3)) ?? [], [join(root, "a"), join(root, "b")])
    assert.isNull(await state(2))
  })
})
