import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { DeltaBuffer } from "../src/index.ts"
import { MAX_DELTA } from "@opencode-worker/convex-backend/limits"

const Segment = Schema.Struct({
  partId: Schema.Literals(["a", "b"]),
  kind: Schema.Literals(["text", "reasoning", "tool"]),
  text: Schema.String
})
/** Repetitions of a segment's text, so that some of it exceeds one write. */
const Repeat = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3_000 }))
const Appended = Schema.Array(Schema.Tuple([Segment, Repeat]))

const appendAll = (segments: ReadonlyArray<DeltaBuffer.Segment>, from = DeltaBuffer.empty) =>
  segments.reduce((buffer, segment) => DeltaBuffer.append(buffer, segment, 0), from)

const drain = (buffer: DeltaBuffer.Buffer): ReadonlyArray<ReadonlyArray<DeltaBuffer.Segment>> => {
  if (buffer.size === 0) return []
  const [segments, rest] = DeltaBuffer.take(buffer)
  return [segments, ...drain(rest)]
}

/** The text that a reader sees: text continues within a part, each segment of a tool is separate. */
const read = (segments: ReadonlyArray<DeltaBuffer.Segment>) => {
  const seen: Array<DeltaBuffer.Segment> = []
  for (const segment of segments) {
    const last = seen.at(-1)
    const goesOn = last?.kind === segment.kind && last.partId === segment.partId && segment.kind !== "tool"
    if (goesOn) seen.splice(-1, 1, { ...last, text: last.text + segment.text })
    else seen.push(segment)
  }
  return seen
}

const text = (of: string, partId = "p"): DeltaBuffer.Segment => ({ partId, kind: "text", text: of })
const size = (segments: ReadonlyArray<DeltaBuffer.Segment>) =>
  segments.reduce((sum, segment) => sum + segment.partId.length + segment.text.length, 0)

const output = (of: string, partId = "p"): DeltaBuffer.Segment => ({ partId, kind: "output", text: of })
const state = (kind: "progress" | "todos", of: string): DeltaBuffer.Segment => ({ partId: "p", kind, text: of })

describe("DeltaBuffer", () => {
  it.effect.prop("returns appended text once, in order, in writes within the limit", [Appended], ([appended]) =>
    Effect.sync(() => {
      const segments = appended
        .map(([segment, times]) => ({ ...segment, text: segment.text.toWellFormed().repeat(times) }))
        .filter((segment) => segment.text !== "")
      const kept = segments.filter((segment) => segment.kind !== "tool" || size([segment]) <= DeltaBuffer.maxWrite)
      const writes = drain(appendAll(segments))
      assert.deepStrictEqual(read(writes.flat()), read(kept))
      for (const write of writes) {
        assert.isNotEmpty(write)
        assert.isAtMost(size(write), DeltaBuffer.maxWrite)
        for (const segment of write) assert.isTrue(segment.text.isWellFormed())
      }
    })
  )

  it.effect.prop("reports the size of the remaining text after each write", [Appended, Appended], ([before, after]) =>
    Effect.sync(() => {
      const first = appendAll(before.map(([segment]) => segment))
      const rest = first.size === 0 ? first : DeltaBuffer.take(first)[1]
      const buffer = appendAll(
        after.map(([segment]) => segment),
        rest
      )
      assert.strictEqual(buffer.size, size(buffer.segments))
    })
  )

  it("joins consecutive segments of one part, and keeps tool segments separate", () => {
    const tool = { partId: "p", kind: "tool" as const, text: "{}" }
    const { segments } = appendAll([text("a"), text("b"), tool, tool, text("c"), text("d", "q")])
    assert.deepStrictEqual(segments, [text("ab"), tool, tool, text("c"), text("d", "q")])
  })

  it("numbers writes from 1", () => {
    const [, rest] = DeltaBuffer.take(appendAll([text("a")]))
    assert.deepStrictEqual([DeltaBuffer.empty.seq, rest.seq], [1, 2])
  })

  it("keeps the newest state and the end of the output of each tool, and nothing of them twice", () => {
    const { segments } = appendAll([
      output("a"),
      state("todos", "1"),
      text("x"),
      output("b"),
      state("progress", "1"),
      output("c", "q"),
      state("todos", "2"),
      state("progress", "2")
    ])
    assert.deepStrictEqual(segments, [
      output("ab"),
      state("todos", "2"),
      text("x"),
      state("progress", "2"),
      output("c", "q")
    ])
    const long = appendAll([output("x".repeat(5_000)), output("end")])
    const [[cut], rest] = DeltaBuffer.take(long)
    assert.match(cut?.text ?? "", /^…\nx+end$/)
    assert.strictEqual(cut?.text.length, DeltaBuffer.maxOutput)
    assert.strictEqual(rest.size, 0)
    assert.strictEqual(long.size, size(long.segments))
  })

  it("replaces a lone surrogate", () => {
    const [segments] = DeltaBuffer.take(appendAll([text("a\ud83d")]))
    assert.deepStrictEqual(segments, [text("a\ufffd")])
  })
})

/** A turn with text that arrived at `at`. */
const waiting = (seq: number, at: number, of = "x") => DeltaBuffer.append({ ...DeltaBuffer.empty, seq }, text(of), at)

describe("DeltaBuffer.shouldPiggyback", () => {
  it.effect.prop(
    "includes text that is due, with each policy",
    [Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3 })), Schema.Int, Repeat, Schema.Boolean],
    ([seq, since, length, isWatched]) =>
      Effect.sync(() => {
        const flushPolicy = DeltaBuffer.flushPolicyOf(isWatched)
        const buffer = waiting(seq, since, "x".repeat(length * 10))
        const due = DeltaBuffer.dueAt(buffer, Number.NEGATIVE_INFINITY, flushPolicy)
        assert.isTrue(DeltaBuffer.shouldPiggyback(buffer, due, flushPolicy))
      })
  )

  it.effect.prop(
    "includes text that an earlier write skipped, before its window ends",
    [Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5_000 })), Schema.Boolean],
    ([waited, isWatched]) =>
      Effect.sync(() => {
        const flushPolicy = DeltaBuffer.flushPolicyOf(isWatched)
        const buffer = waiting(2, 1_000)
        const write = Math.min(1_000 + waited, DeltaBuffer.dueAt(buffer, 0, flushPolicy))
        if (DeltaBuffer.shouldPiggyback(buffer, write, flushPolicy)) return
        assert.isAtMost(DeltaBuffer.dueAt(buffer, write, flushPolicy), 1_000 + flushPolicy.window)
      })
  )

  it("excludes new text without a watcher, and an empty buffer", () => {
    assert.isFalse(DeltaBuffer.shouldPiggyback(waiting(2, 1_000), 1_001, DeltaBuffer.unwatched))
    assert.isFalse(DeltaBuffer.shouldPiggyback(DeltaBuffer.empty, 1_001, DeltaBuffer.watched))
  })
})

describe("DeltaBuffer.dueAt", () => {
  const flushPolicy = DeltaBuffer.watched

  it("is infinite for an empty buffer", () => {
    assert.strictEqual(DeltaBuffer.dueAt(DeltaBuffer.empty, 0, flushPolicy), Number.POSITIVE_INFINITY)
  })

  it("writes a turn's first text at once, even right after another turn's write", () => {
    assert.strictEqual(DeltaBuffer.dueAt(waiting(1, 1_000), 999, flushPolicy), 1_000)
  })

  it("delays later text by its window, counted from the oldest text", () => {
    const buffer = DeltaBuffer.append(waiting(2, 1_000), text("y"), 1_100)
    assert.strictEqual(DeltaBuffer.dueAt(buffer, 0, flushPolicy), 1_250)
  })

  it("delays a large text only by the spacing", () => {
    const much = waiting(2, 1_000, "x".repeat(flushPolicy.size))
    assert.strictEqual(DeltaBuffer.dueAt(much, 0, flushPolicy), 1_000)
    assert.strictEqual(DeltaBuffer.dueAt(much, 900, flushPolicy), 900 + flushPolicy.spacing)
  })
})

const tool = (length: number) => ({ partId: "p", kind: "tool" as const, text: "x".repeat(length) })

describe("DeltaBuffer at its limits", () => {
  it("uses the short window only while a client watches", () => {
    assert.strictEqual(DeltaBuffer.flushPolicyOf(true), DeltaBuffer.watched)
    assert.strictEqual(DeltaBuffer.flushPolicyOf(false), DeltaBuffer.unwatched)
  })

  it("writes at most half of the backend's limit", () => {
    assert.strictEqual(DeltaBuffer.maxWrite * 2, MAX_DELTA)
  })

  it("keeps a tool's segment that fills a write exactly, and drops one that is longer", () => {
    const exact = tool(DeltaBuffer.maxWrite - 1)
    assert.deepStrictEqual(appendAll([exact]).segments, [exact])
    assert.deepStrictEqual(DeltaBuffer.take(appendAll([exact]))[0], [exact])
    assert.deepStrictEqual(appendAll([tool(DeltaBuffer.maxWrite)]).segments, [])
  })

  it("keeps text only if its id leaves room for one character of two code units", () => {
    assert.isNotEmpty(appendAll([text("x", "p".repeat(DeltaBuffer.maxWrite - 2))]).segments)
    assert.isEmpty(appendAll([text("x", "p".repeat(DeltaBuffer.maxWrite - 1))]).segments)
  })

  it("joins a write at half of the window, or earlier if the next write would be too late", () => {
    const slow = { window: 1_000, size: 100, spacing: 250 }
    assert.isFalse(DeltaBuffer.shouldPiggyback(waiting(2, 1_000), 1_499, slow))
    assert.isTrue(DeltaBuffer.shouldPiggyback(waiting(2, 1_000), 1_500, slow))
    const spaced = { window: 1_000, size: 100, spacing: 900 }
    assert.isFalse(DeltaBuffer.shouldPiggyback(waiting(2, 1_000), 1_099, spaced))
    assert.isTrue(DeltaBuffer.shouldPiggyback(waiting(2, 1_000), 1_100, spaced))
  })

  it("joins a write at once with the first text, or when the size is reached exactly", () => {
    const flushPolicy = { window: 1_000, size: 100, spacing: 250 }
    assert.isTrue(DeltaBuffer.shouldPiggyback(waiting(1, 1_000), 1_000, flushPolicy))
    assert.isTrue(DeltaBuffer.shouldPiggyback(waiting(2, 1_000, "x".repeat(99)), 1_000, flushPolicy))
    assert.isFalse(DeltaBuffer.shouldPiggyback(waiting(2, 1_000, "x".repeat(98)), 1_000, flushPolicy))
  })

  it.each([
    ["\ud7ff", 0],
    ["\ud800\udc00", 1],
    ["\udbff\udfff", 1],
    ["\ue000", 0]
  ])("cuts no character: %j at the end of a write", (character, moved) => {
    const before = "x".repeat(DeltaBuffer.maxWrite - 2)
    const [[first], rest] = DeltaBuffer.take(appendAll([text(`${before}${character}yz`)]))
    assert.strictEqual(first?.text.length, DeltaBuffer.maxWrite - 1 - moved)
    assert.strictEqual(`${first?.text}${rest.segments[0]?.text}`, `${before}${character}yz`)
    assert.strictEqual(rest.size, size(rest.segments))
  })

  it("starts a further segment only where its id and text have room", () => {
    const fill = (length: number) => text("x".repeat(length), "q")
    const [taken, rest] = DeltaBuffer.take(appendAll([fill(DeltaBuffer.maxWrite - 3), text("abc")]))
    assert.deepStrictEqual(taken, [fill(DeltaBuffer.maxWrite - 3), text("a")])
    assert.deepStrictEqual(rest.segments, [text("bc")])
    const [alone, next] = DeltaBuffer.take(appendAll([fill(DeltaBuffer.maxWrite - 2), text("abc")]))
    assert.deepStrictEqual([alone.length, next.segments], [1, [text("abc")]])
    assert.strictEqual(next.size, 4)
  })

  it("reports the sum of the sizes of the remaining segments", () => {
    const long = text("x".repeat(DeltaBuffer.maxWrite))
    const [, rest] = DeltaBuffer.take(appendAll([long, text("ab", "q"), text("c", "r")]))
    assert.isAbove(rest.segments.length, 1)
    assert.strictEqual(rest.size, size(rest.segments))
  })
})
