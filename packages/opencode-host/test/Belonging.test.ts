import { assert, describe, it } from "@effect/vitest"
import { belonging, nothing, type ProcessEntry } from "../src/internal/process/belonging.ts"

/** `pid parent sid`, started at the time of its pid; `*` is the mark. */
const table = (...lines: ReadonlyArray<string>): ReadonlyArray<ProcessEntry> =>
  lines.map((line) => {
    const [pid = 0, parent = 0, sid = 0] = line.split(" ").map(Number)
    return { pid, parent, sid, started: `t${pid}`, marked: line.endsWith("*") }
  })

const pids = (entries: ReadonlyArray<ProcessEntry>, known = nothing) => [...belonging(entries, known).processes.keys()]

describe("the processes that belong to a host", () => {
  it("are the marked ones, their descendants, and their sessions", () => {
    const entries = table("1 0 1", "10 1 10 *", "11 10 11", "12 11 11", "13 1 11", "20 1 20", "21 20 20")
    assert.deepStrictEqual(pids(entries), [10, 11, 12, 13])
  })

  it("stay known when they have lost their mark, their parent and their session", () => {
    const before = belonging(table("1 0 1", "10 1 10 *", "11 10 11", "12 11 12"), nothing)
    assert.deepStrictEqual(pids(table("1 0 1", "12 1 12", "14 12 14"), before), [12, 14])
  })

  it("are those of a known session whose leader has ended", () => {
    const before = belonging(table("1 0 1", "10 1 10 *", "11 10 10"), nothing)
    assert.deepStrictEqual(pids(table("1 0 1", "15 1 10"), before), [15])
  })

  it("are not the ones that got a known pid or session id later", () => {
    const before = belonging(table("1 0 1", "10 1 10 *", "11 10 11"), nothing)
    const reused = table("1 0 1", "10 1 10", "11 1 11", "16 11 11").map((entry) => ({ ...entry, started: "later" }))
    assert.deepStrictEqual(pids(reused, before), [])
  })

  it("are not the others in the session of a leader that lives and is not the host's, nor of session 0", () => {
    assert.deepStrictEqual(pids(table("1 0 1", "30 1 30", "31 30 30 *", "32 30 30")), [31])
    assert.deepStrictEqual(pids(table("1 0 1", "40 1 0 *", "41 1 0")), [40])
  })
})
