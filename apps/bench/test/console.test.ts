import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { type TraceEvent, workOf } from "../src/page/work.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

const task = (ts: number, tdur: number, tid = 1): TraceEvent => ({ name: "RunTask", ph: "X", pid: 1, tid, ts, tdur })
const frame = (ts: number): TraceEvent => ({ name: "BeginMainThreadFrame", ph: "I", pid: 1, tid: 1, ts })
const named = (tid: number, name: string): TraceEvent => ({
  name: "thread_name",
  ph: "M",
  pid: 1,
  tid,
  ts: 0,
  args: { name }
})

describe("work", () => {
  it("is the processor time of the main thread between two frames", () => {
    const events = [
      named(1, "CrRendererMain"),
      named(2, "Compositor"),
      frame(16_000),
      // A task that contains the start of its frame, and one that follows it.
      task(15_900, 3_000),
      task(20_000, 1_000),
      frame(32_000),
      task(31_900, 8_000),
      task(1_000, 500),
      task(16_000, 90_000, 2)
    ]
    assert.deepStrictEqual(workOf(events, 1), { frames: 2, perFrameP50Ms: 4, perFrameP95Ms: 8, perSecondMs: 12.5 })
    assert.deepStrictEqual(workOf([], 1), { frames: 0, perFrameP50Ms: 0, perFrameP95Ms: 0, perSecondMs: 0 })
  })
})

describe("bench console", () => {
  it.skipIf(process.env["TEST_FULL"] === undefined)(
    "opens, streams, reads back and survives a lost network by the counts of its targets",
    { timeout: 600_000 },
    async () => {
      const args = ["--expose-gc", "--conditions=@opencode-worker/source", main, "console", "--quick", "--json"]
      const { stdout } = await promisify(execFile)(process.execPath, args)
      const [, open, stream, prepend, offline] = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      assert.deepInclude(open, { bench: "console", case: "open", parts: 1000 })
      assert.isAtMost(open.scriptBytes, 180_000)
      assert.isAtMost(open.receivedBytes, 60_000)
      assert.isAtMost(open.rows, 40)
      assert.isAtMost(open.layoutShift, 0.1)
      assert.isAbove(open.peer.scriptBytes, open.scriptBytes)
      assert.deepInclude(stream, { case: "stream", correct: true, rowsChanged: 1 })
      // Times depend on the machine; the two pages ran on the same one.
      assert.isAbove(stream.frames, 0)
      assert.isBelow(stream.perSecondMs, stream.peer.perSecondMs)
      assert.deepInclude(prepend, { case: "prepend", pages: 10 })
      assert.isAtMost(prepend.movedPx, 1)
      assert.isAtMost(prepend.rows, 40)
      assert.deepInclude(offline, { case: "offline", lost: 0, doubled: 0 })
    }
  )
})
