import { assert, describe, it } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { Deferred, Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  type Batch,
  ConvexSyncError,
  DeltaBuffer,
  DeltaWriter,
  type DeltaWriterOptions,
  type DeltaStore
} from "../src/index.ts"
import { ConvexClientReason } from "@opencode-worker/effect-convex"

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only a deployment makes real ones
const turn = (name: string | number) => `turn-${name}` as Id<"turns">
const text = (of: string): DeltaBuffer.Segment => ({ partId: "p", kind: "text", text: of })
const failure = (reason: ConvexSyncError["reason"]) => new ConvexSyncError({ operation: "queue:appendDeltas", reason })
const away = failure(new ConvexClientReason.Unreachable({ millis: 1 }))
const refused = failure(new ConvexClientReason.Rejected({ code: "InvalidArgument", message: "no", data: null }))

/** A store that records its calls. `answer` returns the result of each, counted from 1. */
const setUp = Effect.fnUntraced(function* (
  answer: (call: number) => ReturnType<DeltaStore> = () => Effect.void,
  options?: DeltaWriterOptions
) {
  const calls: Array<ReadonlyArray<Batch>> = []
  const writer = yield* DeltaWriter.make(
    (batches) =>
      Effect.suspend(() => {
        calls.push(batches)
        return answer(calls.length)
      }),
    options
  )
  return {
    writer,
    calls,
    /** For each call: the turn, number and text of each batch. */
    seen: () =>
      calls.map((batches) =>
        batches.map(({ turnId, seq, segments }) => [turnId, seq, segments.map((s) => s.text).join("|")])
      )
  }
})

const output = (of: string): DeltaBuffer.Segment => ({ partId: "t", kind: "output", text: of })
const toolCall = (status: string): DeltaBuffer.Segment => ({ partId: "t", kind: "tool", text: status })
const watchedFrom = (first: number) => (made: number) => Effect.succeed({ watched: made >= first ? [turn(1)] : [] })

describe("DeltaWriter", () => {
  it.effect("writes a turn's first text at once, and batches later text for 250 ms", () =>
    Effect.gen(function* () {
      const { writer, seen } = yield* setUp()
      yield* writer.append(turn(1), text("a"))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(seen(), [[["turn-1", 1, "a"]]])
      yield* writer.append(turn(1), text("b"))
      yield* TestClock.adjust(249)
      yield* writer.append(turn(1), text("c"))
      assert.strictEqual(seen().length, 1)
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(seen()[1], [["turn-1", 2, "bc"]])
    })
  )

  it.effect("combines all turns with pending text in one write", () =>
    Effect.gen(function* () {
      const { writer, seen } = yield* setUp()
      for (const name of ["a", "b"]) yield* writer.append(turn(name), text("1"))
      yield* TestClock.adjust(0)
      for (const name of ["a", "b"]) yield* writer.append(turn(name), text("2"))
      yield* TestClock.adjust(250)
      assert.deepStrictEqual(seen().at(-1), [
        ["turn-a", 2, "2"],
        ["turn-b", 2, "2"]
      ])
    })
  )

  it.effect("makes at most 4 writes a second for any number of turns, except for first texts", () =>
    Effect.gen(function* () {
      const { writer, calls } = yield* setUp()
      for (let index = 0; index < 40; index++) yield* writer.append(turn(index), text("first"))
      yield* TestClock.adjust(0)
      const before = calls.length
      // For 10 seconds, one of the turns receives text every 10 ms.
      for (let tick = 0; tick < 1_000; tick++) {
        yield* writer.append(turn(tick % 40), text("more"))
        yield* TestClock.adjust(10)
      }
      assert.isAtMost(calls.length - before, 40)
      assert.isAtLeast(calls.length - before, 30)
    })
  )

  it.effect("writes 4 kB without waiting for the window to end", () =>
    Effect.gen(function* () {
      const { writer, calls } = yield* setUp()
      yield* writer.append(turn(1), text("first"))
      yield* TestClock.adjust(1_000)
      yield* writer.append(turn(1), text("x".repeat(4_096)))
      yield* TestClock.adjust(0)
      assert.strictEqual(calls.length, 2)
    })
  )

  it.effect("has at most one write in flight, and adds new text to the next one", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { writer, seen } = yield* setUp((call) => (call === 1 ? Deferred.await(gate) : Effect.void))
      yield* writer.append(turn("a"), text("1"))
      yield* TestClock.adjust(0)
      yield* writer.append(turn("b"), text("1"))
      yield* writer.append(turn("a"), text("2"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(seen().length, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(seen()[1], [
        ["turn-b", 1, "1"],
        ["turn-a", 2, "2"]
      ])
    })
  )

  it.effect("flush writes the pending text at once, and returns when it is written", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { writer, seen } = yield* setUp((call) => (call === 2 ? Deferred.await(gate) : Effect.void))
      yield* writer.append(turn(1), text("first"))
      yield* TestClock.adjust(0)
      yield* writer.append(turn(1), text("last"))
      const flush = yield* Effect.forkChild(writer.flush(turn(1)))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(seen()[1], [["turn-1", 2, "last"]])
      assert.isUndefined(flush.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(flush)
    })
  )

  it.effect("flush divides long text into several writes, and returns after the last one", () =>
    Effect.gen(function* () {
      const { writer, calls } = yield* setUp()
      const long = "x".repeat(3 * DeltaBuffer.maxWrite)
      yield* writer.append(turn(1), text(long))
      yield* writer.flush(turn(1))
      assert.strictEqual(
        calls
          .flat()
          .flatMap(({ segments }) => segments.map((s) => s.text))
          .join(""),
        long
      )
      assert.deepStrictEqual(
        calls.flat().map(({ seq }) => seq),
        [1, 2, 3, 4]
      )
    })
  )

  it.effect("repeats the same write while the deployment is unreachable", () =>
    Effect.gen(function* () {
      const { writer, calls, seen } = yield* setUp((call) => (call < 4 ? Effect.fail(away) : Effect.void))
      yield* writer.append(turn(1), text("a"))
      yield* TestClock.adjust(0)
      yield* writer.append(turn(1), text("b"))
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(seen().slice(0, 5), [
        ...Array.from({ length: 4 }, () => [["turn-1", 1, "a"]]),
        [["turn-1", 2, "b"]]
      ])
      assert.strictEqual(calls.length, 5)
    })
  )

  it.effect("fails the flush when a write is rejected, and continues with the next write", () =>
    Effect.gen(function* () {
      const { writer, seen } = yield* setUp((call) => (call === 1 ? Effect.fail(refused) : Effect.void))
      yield* writer.append(turn(1), text("a"))
      assert.strictEqual(yield* Effect.flip(writer.flush(turn(1))), refused)
      yield* writer.append(turn(1), text("b"))
      yield* writer.flush(turn(1))
      assert.deepStrictEqual(seen()[1], [["turn-1", 2, "b"]])
    })
  )

  it.effect("bounds memory: a turn without room loses further live text, and other turns continue", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { writer, calls } = yield* setUp((call) => (call === 1 ? Deferred.await(gate) : Effect.void), {
        capacity: 1_000
      })
      yield* writer.append(turn("a"), text("a"))
      yield* TestClock.adjust(0)
      yield* writer.append(turn("a"), text("a".repeat(900)))
      yield* writer.append(turn("b"), text("b".repeat(200)))
      yield* writer.append(turn("b"), text("b"))
      yield* writer.append(turn("c"), text("c"))
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.all([writer.flush(turn("a")), writer.flush(turn("c"))], { concurrency: 2 })
      const written = calls
        .flat()
        .map(({ turnId, segments }) => [turnId, segments.reduce((sum, s) => sum + s.text.length, 0)])
      assert.deepStrictEqual(written, [
        ["turn-a", 1],
        ["turn-c", 1],
        ["turn-a", 900]
      ])
    })
  )

  it.effect("writes all turns in rotation when one write cannot hold them", () =>
    Effect.gen(function* () {
      const { writer, calls } = yield* setUp()
      for (let index = 0; index < 120; index++) yield* writer.append(turn(index), text("x"))
      yield* writer.flush(turn(119))
      assert.deepStrictEqual(
        calls.map((batches) => batches.length),
        [50, 50, 20]
      )
      assert.strictEqual(new Set(calls.flat().map(({ turnId }) => turnId)).size, 120)
    })
  )

  it.effect("writes the pending text when it is closed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { writer, seen } = yield* Scope.provide(setUp(), scope)
      yield* writer.append(turn(1), text("first"))
      yield* TestClock.adjust(0)
      yield* writer.append(turn(1), text("last"))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(seen()[1], [["turn-1", 2, "last"]])
    })
  )

  it.effect("does not wait for an unreachable deployment when it is closed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { writer } = yield* Scope.provide(
        setUp(() => Effect.fail(away)),
        scope
      )
      yield* writer.append(turn(1), text("x"))
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(closing)
    })
  )

  it.effect("writes 1,000 unwatched tokens in at most 4 writes, without a loss", () =>
    Effect.gen(function* () {
      const { writer, calls } = yield* setUp(() => Effect.succeed({ watched: [] }))
      for (let token = 0; token < 1_000; token++) {
        yield* writer.append(turn(1), text("word "))
        yield* TestClock.adjust(20)
      }
      yield* writer.end(turn(1))
      assert.isAtMost(calls.length, 4)
      const written = calls.flat().flatMap(({ segments }) => segments.map((segment) => segment.text))
      assert.strictEqual(written.join(""), "word ".repeat(1_000))
    })
  )

  it.effect("discard flushes text only for a turn that a client watches", () =>
    Effect.gen(function* () {
      const { writer, calls } = yield* setUp(() => Effect.succeed({ watched: [turn("read")] }))
      for (const name of ["read", "unread"]) {
        yield* writer.append(turn(name), text("first"))
        yield* TestClock.adjust(0)
        yield* writer.append(turn(name), text("last"))
        yield* writer.discard(turn(name))
      }
      yield* TestClock.adjust("1 minute")
      const written = (name: string) =>
        calls.flatMap((batches) =>
          batches.flatMap(({ segments, turnId }) => (turnId === turn(name) ? segments.map((each) => each.text) : []))
        )
      assert.deepStrictEqual(written("read"), ["first", "last"])
      assert.deepStrictEqual(written("unread"), ["first"])
    })
  )

  it.effect("drops text that is about to be replaced if it exceeds one write", () =>
    Effect.gen(function* () {
      const { writer, calls } = yield* setUp(() => Effect.succeed({ watched: [turn(1)] }))
      yield* writer.append(turn(1), text("first"))
      yield* TestClock.adjust(0)
      yield* writer.append(turn(1), text("x".repeat(DeltaBuffer.maxWrite + 1)))
      yield* writer.discard(turn(1))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(calls.length, 1)
    })
  )

  it.effect("shortens the window from the next write on when a client watches, and extends it afterwards", () =>
    Effect.gen(function* () {
      let watched = [turn(1)]
      const { writer, calls } = yield* setUp(() => Effect.sync(() => ({ watched })))
      const writesIn = Effect.fnUntraced(function* (seconds: number) {
        const before = calls.length
        for (let tick = 0; tick < seconds * 10; tick++) {
          yield* writer.append(turn(1), text("x"))
          yield* TestClock.adjust(100)
        }
        return calls.length - before
      })
      assert.isAtLeast(yield* writesIn(4), 12)
      watched = []
      assert.isAtMost(yield* writesIn(20), 4)
      watched = [turn(1)]
      yield* writesIn(10)
      assert.isAtLeast(yield* writesIn(4), 12)
    })
  )

  it.effect("does not add an unwatched turn to every write of a watched one", () =>
    Effect.gen(function* () {
      const { writer, calls } = yield* setUp(() => Effect.succeed({ watched: [turn("read")] }))
      for (let tick = 0; tick < 200; tick++) {
        yield* writer.append(turn("read"), text("x"))
        yield* writer.append(turn("unread"), text("x"))
        yield* TestClock.adjust(100)
      }
      const rows = (name: string) => calls.flat().filter(({ turnId }) => turnId === turn(name)).length
      assert.isAtLeast(rows("read"), 50)
      assert.isAtMost(rows("unread"), 5)
    })
  )

  it.effect("frees the memory of a turn that has ended", () =>
    Effect.gen(function* () {
      const { writer, seen } = yield* setUp(() => Effect.void, { capacity: 100 })
      for (let index = 0; index < 50; index++) {
        yield* writer.append(turn("same"), text("x".repeat(90)))
        yield* writer.end(turn("same"))
      }
      assert.strictEqual(seen().length, 50)
      assert.deepStrictEqual(seen().at(-1), [["turn-same", 1, "x".repeat(90)]])
    })
  )

  it.effect("writes all text so far as soon as a client begins to watch", () =>
    Effect.gen(function* () {
      const { writer, seen } = yield* setUp(watchedFrom(3))
      yield* writer.append(turn(1), text("first "))
      yield* TestClock.adjust(0)
      for (let word = 0; word < 90; word++) {
        yield* writer.append(turn(1), text("word "))
        yield* TestClock.adjust(100)
      }
      assert.lengthOf(seen(), 1)
      yield* writer.markWatched([turn(1)])
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(seen()[1], [["turn-1", 2, "word ".repeat(90)]])
    })
  )

  it.effect("writes no output of a tool while no client watches, and its end as soon as one does", () =>
    Effect.gen(function* () {
      const { writer, seen } = yield* setUp(watchedFrom(3))
      yield* writer.append(turn(1), toolCall("running"))
      yield* writer.append(turn(1), output("0\n"))
      yield* TestClock.adjust(0)
      for (let line = 1; line <= 2_000; line++) {
        yield* writer.append(turn(1), output(`${line}\n`))
        yield* TestClock.adjust(10)
      }
      assert.deepStrictEqual(seen(), [[["turn-1", 1, "running"]]])
      yield* writer.markWatched([turn(1), turn(2)])
      yield* TestClock.adjust(250)
      assert.strictEqual(seen().length, 2)
      const [[, , shown] = []] = seen()[1] ?? []
      assert.match(String(shown), /^…\n[^]*\n2000\n$/)
      assert.isAtMost(String(shown).length, DeltaBuffer.maxOutput)
    })
  )

  it.effect("writes the output of a watched tool once, at most 4 times a second", () =>
    Effect.gen(function* () {
      const { writer, calls, seen } = yield* setUp(watchedFrom(1))
      yield* writer.append(turn(1), toolCall("running"))
      yield* TestClock.adjust(0)
      let expected = ""
      for (let line = 0; line < 500; line++) {
        expected += `${line}\n`
        yield* writer.append(turn(1), output(`${line}\n`))
        yield* TestClock.adjust(10)
      }
      yield* writer.flush(turn(1))
      assert.isAtMost(calls.length, 1 + 4 * 5 + 1)
      const written = seen().flatMap((batches) => batches.map(([, , of]) => of))
      assert.strictEqual(written.slice(1).join(""), expected)
    })
  )

  it.effect("forgets output that waits when its tool has ended, and stops to write it when the client leaves", () =>
    Effect.gen(function* () {
      const { writer, seen } = yield* setUp((made) => Effect.succeed({ watched: made === 2 ? [turn(1)] : [] }))
      yield* writer.append(turn(1), toolCall("running"))
      yield* TestClock.adjust(0)
      yield* writer.append(turn(1), output("lost"))
      yield* writer.append(turn(1), toolCall("completed"))
      yield* TestClock.adjust("10 seconds")
      yield* writer.append(turn(1), { ...output("seen"), partId: "u" })
      yield* TestClock.adjust("10 seconds")
      yield* writer.append(turn(1), { ...output("unseen"), partId: "u" })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        seen().map(([batch]) => batch?.[2]),
        ["running", "completed", "seen"]
      )
    })
  )
})
