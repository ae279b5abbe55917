import { assert, describe, it } from "@effect/vitest"
import { TurnResult } from "../src/index.ts"

const bounded = (parts: ReadonlyArray<TurnResult.FinalPart>) =>
  TurnResult.truncateToLimits({ outcome: "completed", parts }).parts

const part = (index: number, kind: string, payload: object) => ({ index, kind, payload: JSON.stringify(payload) })
const prose = (index: number, size: number, kind = "text") => part(index, kind, { text: "x".repeat(size) })
const tool = (index: number, size: number) =>
  part(index, "tool", { tool: "bash", state: { status: "completed", output: "y".repeat(size) } })

const indices = (parts: ReturnType<typeof bounded>) => parts.map(({ index }) => index)
const lastSaid = (parts: ReturnType<typeof bounded>): string => JSON.parse(parts.at(-1)?.payload ?? "{}").text

describe("the parts of a turn", () => {
  it("keeps parts within the limits of the deployment", () => {
    const all = [prose(0, 1_000_000), tool(1, 1_000_000)]
    assert.deepStrictEqual(bounded(all), all)
  })

  it("shortens tool output before it drops parts, and keeps the whole answer", () => {
    const all = [
      prose(0, 200_000, "reasoning"),
      tool(1, 2_000_000),
      tool(2, 50_000),
      tool(3, 2_000_000),
      prose(4, 500_000)
    ]
    const kept = bounded(all)
    assert.deepStrictEqual(indices(kept), [0, 1, 2, 3, 4, 5])
    for (const same of [0, 2, 4]) assert.strictEqual(kept[same], all[same])
    for (const cut of [1, 3]) {
      const { state, tool: name } = JSON.parse(kept[cut]?.payload ?? "{}")
      assert.deepStrictEqual([name, state.status, state.output.length], ["bash", "completed", 100_001])
      assert.match(state.output, /y…$/)
    }
    assert.match(lastSaid(kept), /of 5 parts 2 are shortened and 0 left out/)
  })

  it("shortens more when there are more parts", () => {
    const kept = bounded([...Array.from({ length: 1_000 }, (_, index) => tool(index, 20_000)), prose(1_000, 1_000_000)])
    assert.strictEqual(kept.length, 1_002)
    assert.strictEqual(JSON.parse(kept[0]?.payload ?? "{}").state.output.length, 1_001)
    assert.match(lastSaid(kept), /of 1001 parts 1000 are shortened/)
  })

  it("prefers text to tools, and later parts to earlier ones, when there are too many", () => {
    const notice = part(0, "notice", { text: "restarted" })
    const tools = Array.from({ length: 2_500 }, (_, index) => tool(index + 2, 10))
    const kept = bounded([notice, prose(1, 10), ...tools, prose(2_502, 10)])
    assert.deepStrictEqual(indices(kept).slice(0, 3), [0, 1, 605])
    assert.deepStrictEqual(indices(kept).slice(-3), [2_501, 2_502, 2_503])
    assert.strictEqual(kept.length, 1_901)
    assert.match(lastSaid(kept), /of 2503 parts 0 are shortened and 603 left out/)
  })

  it("keeps the end of the text when the text alone is too large", () => {
    const kept = bounded([prose(0, 1_000_000), prose(1, 2_500_000), tool(2, 10), prose(3, 1_000_000)])
    assert.deepStrictEqual(indices(kept), [0, 2, 3, 4])
    assert.match(lastSaid(kept), /of 4 parts 0 are shortened and 1 left out/)
  })

  it("never splits a character", () => {
    const kept = bounded([part(0, "tool", { output: `x${"😀".repeat(2_000_000)}` })])
    assert.isTrue(JSON.parse(kept[0]?.payload ?? "{}").output.isWellFormed())
  })
})

const errorOf = (error: { readonly name: string; readonly message: string }) =>
  TurnResult.truncateToLimits({ outcome: "failed", error, parts: [] }).error

describe("the error of a turn", () => {
  it("is cut to the limit of the deployment, between characters", () => {
    const { message, name } = errorOf({ name: "n".repeat(600), message: "😀".repeat(4_000) }) ?? {}
    assert.deepStrictEqual([name?.length, message?.length], [500, 4_000])
    assert.isTrue(errorOf({ name: "E", message: `x${"😀".repeat(4_000)}` })?.message.isWellFormed())
  })

  it("has a name", () => {
    assert.strictEqual(errorOf({ name: "", message: "" })?.name, "Error")
  })
})
