import { MAX_CHANGED_FILES, MAX_RESULT } from "@opencode-worker/convex-backend/limits"
import { assert, describe, it } from "vitest"
import { fitting } from "../../../src/handlers/undo/fileList.ts"
import { changedSince } from "../../../src/handlers/undo/redo.ts"

describe("the files in the result of an undo", () => {
  it("fit into it, the changed ones first, and it names that there are more", () => {
    const long = Array.from({ length: 100 }, (_, index) => ({
      file: `${"é".repeat(2_000)}${index}`,
      changed: index === 99
    }))
    const found = fitting(long)
    assert.isBelow(JSON.stringify(found).length, MAX_RESULT)
    assert.isTrue(found.files[0]?.changed)
    assert.isTrue(found.truncated)
    const many = Array.from({ length: MAX_CHANGED_FILES + 1 }, (_, index) => ({ file: `${index}`, changed: false }))
    assert.deepInclude(fitting(many), { files: many.slice(0, MAX_CHANGED_FILES), truncated: true })
    assert.deepStrictEqual(fitting(many.slice(1)), { files: many.slice(1) })
  })
})

describe("the files that a redo would take from a person", () => {
  it("differ from what the undo left, and from what the redo restores", () => {
    const before = { undone: "old", deleted: "old" }
    const after = { undone: "new", deleted: null, other: "same", removed: "same" }
    const now = new Map([
      ["undone", "old"],
      ["other", "edited"],
      ["added", "fresh"]
    ])
    assert.sameMembers(changedSince({ before, after }, now), ["other", "added", "removed"])
    assert.deepStrictEqual(changedSince({ before, after }, new Map(Object.entries(after))), [])
  })
})
