import { makeClient, type SessionId } from "@opencode-worker/client"
import { describe, expect, it, vi } from "vitest"
import { MarkdownBlocks, closingMarks } from "../src/text/blocks.ts"
import { memoryStore } from "../src/data/storage.ts"
import { timelineCopies } from "../src/timeline/copies.ts"
import { anchorAt, heightOf, layoutOf, rangeOf, rowAt, topFor } from "../src/timeline/layout.ts"
import { Timeline } from "../src/timeline/Timeline.ts"
import { makeWorld } from "./scripted/world.ts"

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an id is a string
const session = "session1" as SessionId
const keysOf = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `k${index + from}`)

describe("the layout of rows", () => {
  const layout = layoutOf(keysOf(1_000), (key) => 10 + (Number(key.slice(1)) % 7))

  it("finds the row at each distance", () => {
    for (let y = 0; y < heightOf(layout); y += 37) {
      const row = rowAt(layout, y)
      expect(layout.tops[row]).toBeLessThanOrEqual(y)
      expect(layout.tops[row + 1]).toBeGreaterThan(y)
    }
    expect(
      rowAt(
        layoutOf([], () => 1),
        5
      )
    ).toBe(0)
  })

  it("mounts the rows in view, and at most the limit", () => {
    for (const top of [0, 500, heightOf(layout) - 800]) {
      const { end, start } = rangeOf(layout, top, 800, 300, 40)
      expect(end - start).toBeLessThanOrEqual(40)
      expect(layout.tops[start]).toBeLessThanOrEqual(top)
    }
    const tall = layoutOf(keysOf(50), () => 100)
    expect(rangeOf(tall, 1_000, 800, 0, 40)).toEqual({ start: 10, end: 19 })
    expect(
      rangeOf(
        layoutOf([], () => 1),
        0,
        800,
        300,
        40
      )
    ).toEqual({ start: 0, end: 0 })
  })

  it("keeps the anchor where it is when rows are prepended and measured", () => {
    const before = layoutOf(keysOf(50, 100), () => 20)
    const anchor = anchorAt(before, 333)
    expect(anchor).toEqual({ key: "k116", offset: -13 })
    if (anchor === null) return
    const after = layoutOf(keysOf(150), (key) => (Number(key.slice(1)) < 100 ? 55 : 20))
    expect(topFor(after, anchor)).toBe(100 * 55 + 333)
    expect(topFor(after, { key: "gone", offset: 0 })).toBeNull()
  })
})

describe("Markdown blocks", () => {
  const text =
    "# Title\n\nOne **bold** line\nof text.\n\n- a\n- b\n\n  more\n\nAfter the list.\n\n```ts\nconst a = 1\n\nconst b = 2\n```\n\nEnd."

  it("are those of the whole text, however it arrives", () => {
    const whole = new MarkdownBlocks().update(text).map(({ raw }) => raw)
    for (const step of [1, 3, 7, 20]) {
      const blocks = new MarkdownBlocks()
      let last: ReadonlyArray<string> = []
      for (let end = step; end < text.length + step; end += step)
        last = blocks.update(text.slice(0, end)).map(({ raw }) => raw)
      expect(last.join("")).toBe(text)
      expect(last).toEqual(whole)
    }
  })

  it("that are closed stay the same objects", () => {
    const blocks = new MarkdownBlocks()
    const [first] = blocks.update("One.\n\nTwo")
    const [again] = blocks.update("One.\n\nTwo and more")
    expect(again).toBe(first)
    expect(blocks.update("Other")[0]).not.toBe(first)
  })

  it("close the marks of text that still arrives", () => {
    expect(closingMarks("a **bo")).toBe("**")
    expect(closingMarks("a `co")).toBe("`")
    expect(closingMarks("a **bold** and **")).toBe("")
    expect(closingMarks("```\nconst a = `")).toBe("")
  })
})

const open = (scenario: "full" | "long", { isAway = false, store = memoryStore<unknown>() } = {}) => {
  const scripted = makeWorld(scenario)
  if (isAway) scripted.script.setConnected(false)
  const frames: Array<() => void> = []
  const timeline = new Timeline(makeClient(scripted.script.connection), session, {
    frame: (run) => void frames.push(run),
    copies: timelineCopies(store)
  })
  const draw = () => {
    for (const run of frames.splice(0)) run()
  }
  /** Draws frames until it holds. */
  const until = (holds: () => boolean) =>
    vi.waitFor(() => {
      draw()
      if (!holds()) throw new Error("not yet")
    })
  timeline.open()
  return { ...scripted, timeline, until, draw, keys: () => timeline.state().keys }
}

describe("Timeline", () => {
  it("shows prompts, answers, the running turn and the queue in their order", async () => {
    const { keys, timeline, until } = open("full")
    await until(() => keys().length > 10)
    expect(keys().filter((key) => key.endsWith(":prompt"))).toEqual([
      "turn1:prompt",
      "turn2:prompt",
      "turn3:prompt",
      "turn5:prompt"
    ])
    expect(keys().indexOf("turn1:a4")).toBeLessThan(keys().indexOf("turn1:end"))
    timeline.close()
  })

  it("wakes only the row that grows, at most once per frame", async () => {
    const { append, draw, keys, timeline, until } = open("full")
    await until(() => keys().length > 10)
    append("turn3", { partId: "s1", kind: "text", text: "One" })
    await until(() => keys().includes("turn3:s1"))
    let structure = 0
    let leaf = 0
    let others = 0
    timeline.subscribe(() => structure++)
    timeline.subscribeRow("turn3:s1", () => leaf++)
    for (const key of keys()) if (key !== "turn3:s1") timeline.subscribeRow(key, () => others++)
    for (const word of [" two", " three", " four"]) append("turn3", { partId: "s1", kind: "text", text: word })
    await until(() => JSON.stringify(timeline.row("turn3:s1")).includes("One two three four"))
    const frames = leaf
    draw()
    expect([structure, others, leaf - frames]).toEqual([0, 0, 0])
    expect(leaf).toBeLessThanOrEqual(3)
    timeline.close()
  })

  it("keeps the rows of a turn that ends", async () => {
    const { append, end, keys, timeline, until } = open("full")
    await until(() => keys().length > 10)
    append("turn3", { partId: "s2", kind: "text", text: "All tests" })
    await until(() => keys().includes("turn3:s2"))
    end("turn3")
    await until(() => keys().includes("turn3:end"))
    await until(() => JSON.stringify(timeline.row("turn3:s2")).includes("All tests pass."))
    expect(keys().filter((key) => key.startsWith("turn3:"))).toEqual([
      "turn3:prompt",
      "turn3:s1",
      "turn3:s2",
      "turn3:end"
    ])
    timeline.close()
  })

  it("opens a session of 10,000 parts with little, and reads earlier pages without changing later rows", async () => {
    const { keys, script, timeline, until } = open("long")
    await until(() => timeline.state().isLoaded && keys().length > 60)
    expect(script.received).toBeLessThan(60_000)
    const shown = keys()
    for (let page = 0; page < 20; page += 1) await timeline.loadOlder()
    await until(() => keys().length > 1_500)
    expect(keys().slice(-shown.length)).toEqual(shown)
    expect(new Set(keys()).size).toBe(keys().length)
    timeline.close()
  })

  it("shows the turns that have ended without a connection, and takes over from the copy when it is back", async () => {
    const store = memoryStore<unknown>()
    const before = open("full", { store })
    await before.until(() => before.keys().length > 10)
    const ended = before.keys().filter((key) => /^turn[12]:/.test(key))
    before.timeline.close()
    const { keys, script, timeline, until } = open("full", { isAway: true, store })
    await until(() => keys().length > 0)
    expect(keys()).toEqual(ended)
    script.setConnected(true)
    await until(() => keys().includes("turn3:prompt"))
    expect(keys().slice(0, ended.length)).toEqual(ended)
    expect(new Set(keys()).size).toBe(keys().length)
    timeline.close()
  })

  it("reads the turns that ended after the copy was made", async () => {
    const store = memoryStore<unknown>()
    const before = open("full", { store })
    await before.until(() => before.keys().length > 10)
    before.timeline.close()
    const { keys, script, timeline, until, world } = open("full", { isAway: true, store })
    await until(() => keys().length > 0)
    world.endTurn("turn3")
    script.setConnected(true)
    await until(() => keys().includes("turn3:s2"))
    expect(keys().filter((key) => key.startsWith("turn3:"))).toEqual([
      "turn3:prompt",
      "turn3:s1",
      "turn3:s2",
      "turn3:end"
    ])
    timeline.close()
  })
})
