import { assert, describe, it } from "@effect/vitest"
import type { TurnState } from "@opencode-worker/opencode-host"
import { Option } from "effect"
import { verdict } from "../src/Settlement.ts"

const found = (state: TurnState) => Option.some({ assistants: [], state })

describe("verdict", () => {
  it("queues again only what OpenCode never had", () => {
    assert.strictEqual(verdict(false, Option.none()), "requeue")
  })

  it("never runs again what was seen there, even if it is gone now", () => {
    const decision = verdict(true, Option.none())
    assert.isObject(decision)
    assert.propertyVal(decision, "outcome", "interrupted")
  })

  it("takes over how OpenCode says that it ended", () => {
    for (const outcome of ["completed", "failed"] as const) {
      const decision = verdict(true, found({ _tag: "Ended", outcome, error: undefined }))
      assert.deepStrictEqual(decision, { outcome, error: undefined })
    }
  })

  it("calls interrupted what has no end", () => {
    const states: ReadonlyArray<TurnState> = [
      { _tag: "NotStarted" },
      { _tag: "Running" },
      { _tag: "Ended", outcome: "interrupted", error: undefined },
      // What a worker that stops leaves behind.
      { _tag: "Ended", outcome: "aborted", error: undefined }
    ]
    for (const state of states) {
      for (const seen of [true, false]) assert.propertyVal(verdict(seen, found(state)), "outcome", "interrupted")
    }
  })
})
