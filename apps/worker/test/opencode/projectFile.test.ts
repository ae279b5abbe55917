import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { maxFile, readProjectFile } from "../../src/opencode/projectFile.ts"

/** A directory next to another one, with a private folder. */
const place = Effect.acquireRelease(
  Effect.sync(() => {
    const root = realpathSync(mkdtempSync(join(tmpdir(), "project-file-")))
    const directory = join(root, "project")
    for (const folder of ["project/src", "project/private", "project-other"]) {
      mkdirSync(join(root, folder), { recursive: true })
      writeFileSync(join(root, folder, "a.txt"), folder)
    }
    return { root, directory, privatePaths: [join(directory, "private")] }
  }),
  ({ root }) => Effect.sync(() => rmSync(root, { recursive: true }))
)

const refusal = (...args: Parameters<typeof readProjectFile>) =>
  Effect.map(Effect.flip(readProjectFile(...args)), ({ message }) => message)

describe("readProjectFile", () => {
  it.effect("reads by relative and absolute path, and through links that stay in the directory", () =>
    Effect.gen(function* () {
      const there = yield* place
      const { directory, root } = there
      symlinkSync("../src/a.txt", join(directory, "src", "link"))
      symlinkSync(directory, join(root, "same"))
      const read = { path: "src/a.txt", size: 11, text: "project/src", truncated: false }
      for (const path of ["src/a.txt", "./src/../src/a.txt", join(directory, "src/a.txt"), "src/link"]) {
        assert.deepStrictEqual(yield* readProjectFile(there, path), read)
      }
      assert.deepStrictEqual(yield* readProjectFile(there, join(root, "same/src/a.txt")), read)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("refuses what leads out of the directory, and what is private", () =>
    Effect.gen(function* () {
      const there = yield* place
      const { directory, root } = there
      symlinkSync(join(root, "project-other"), join(directory, "out"))
      symlinkSync(join(root, "project-other/a.txt"), join(directory, "out.txt"))
      symlinkSync("loop", join(directory, "loop"))
      symlinkSync("private", join(directory, "open"))
      const outside = ["../project-other/a.txt", "/etc/passwd", "out/a.txt", "out.txt", "out/none", "loop", ".."]
      for (const path of outside) assert.include(yield* refusal(there, path), "not in the worker's directory", path)
      for (const path of ["private/a.txt", "open/a.txt", "private", "private/none"]) {
        assert.include(yield* refusal(there, path), "private to the worker", path)
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("refuses what is no regular file", () =>
    Effect.gen(function* () {
      const there = yield* place
      execFileSync("sh", ["-c", 'mkfifo "$0"', join(there.directory, "pipe")])
      for (const path of ["src", ".", "pipe"]) assert.include(yield* refusal(there, path), "not a file", path)
      for (const path of ["none", "src/a.txt/none", "a\0"]) {
        assert.include(yield* refusal(there, path), "no such file", path)
      }
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("cuts large files at a character, and shows no text of binary ones", () =>
    Effect.gen(function* () {
      const there = yield* place
      const { directory } = there
      writeFileSync(join(directory, "large"), `x${"€".repeat(maxFile)}`)
      writeFileSync(join(directory, "exact"), "x".repeat(maxFile))
      writeFileSync(join(directory, "empty"), "")
      writeFileSync(join(directory, "zero"), "a\0b")
      writeFileSync(join(directory, "latin"), Buffer.from([0x61, 0xe4, 0x62]))
      const large = yield* readProjectFile(there, "large")
      assert.deepInclude(large, { size: 1 + 3 * maxFile, truncated: true })
      assert.match(large.text ?? "", /^x€+$/)
      assert.deepInclude(yield* readProjectFile(there, "exact"), { size: maxFile, truncated: false })
      assert.deepInclude(yield* readProjectFile(there, "empty"), { size: 0, text: "", truncated: false })
      for (const path of ["zero", "latin"]) assert.isNull((yield* readProjectFile(there, path)).text, path)
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
