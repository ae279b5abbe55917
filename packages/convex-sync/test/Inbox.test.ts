import { assert, describe, it } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { Deferred, Effect, Exit, Fiber, Queue, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { ConvexSyncError, Inbox, type ReadyTurn } from "../src/index.ts"
import { ConvexClientReason } from "@opencode-worker/effect-convex"

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only a deployment makes real ones
const idOf = <Table extends "sessions" | "turns">(name: string) => name as Id<Table>
const turn = (name: string): ReadyTurn => ({
  turnId: idOf<"turns">(name),
  sessionId: idOf<"sessions">(name),
  opencodeSessionId: null,
  title: name,
  text: name,
  model: null,
  agent: null,
  seq: 1,
  createdAt: 0
})
const failed = (operation: string) => (reason: ConvexSyncError["reason"]) => new ConvexSyncError({ operation, reason })
const refused = failed("queue:claim")(new ConvexClientReason.FunctionFailed({ message: "Server Error" }))

/** Runs what `work` does with turns, and remembers what was begun, and what of it ended. */
const setUp = Effect.fnUntraced(function* (work: (name: string) => Effect.Effect<unknown, Error> = () => Effect.void) {
  const windows = yield* Queue.unbounded<ReadonlyArray<ReadyTurn> | ConvexSyncError>()
  const begun: Array<string> = []
  const ended: Array<string> = []
  const { run } = Inbox.make({
    windows: Stream.mapEffect(Stream.fromQueue(windows), (window) =>
      "operation" in window ? Effect.fail(window) : Effect.succeed(window)
    ),
    claim: () => Effect.succeed(true)
  })
  const running = yield* Effect.forkScoped(
    run(({ text }) =>
      Effect.suspend(() => {
        begun.push(text)
        return Effect.ensuring(
          work(text),
          Effect.sync(() => ended.push(text))
        )
      })
    )
  )
  const settle = Effect.repeat(TestClock.adjust(0), { times: 4 })
  return {
    begun,
    ended,
    running,
    settle,
    fail: (reason: ConvexSyncError["reason"]) =>
      Effect.andThen(Queue.offer(windows, failed("queue:ready")(reason)), settle),
    show: (...names: ReadonlyArray<string>) => Effect.andThen(Queue.offer(windows, names.map(turn)), settle)
  }
})

const Windows = Schema.Array(Schema.Array(Schema.Literals(["a", "b", "c", "d"])))

describe("Inbox", () => {
  it.effect("begins the oldest first, beside each other, and once while the work goes on", () =>
    Effect.gen(function* () {
      const { begun, show } = yield* setUp(() => Effect.never)
      yield* show("a", "b")
      yield* show("b", "c")
      yield* show("b", "c", "a")
      assert.deepStrictEqual(begun, ["a", "b", "c"])
    })
  )

  it.effect("begins again, some seconds later, what its work left ready, and nothing else", () =>
    Effect.gen(function* () {
      const failing = new Set(["a", "b"])
      const { begun, show } = yield* setUp((name) => (failing.has(name) ? Effect.fail(refused) : Effect.never))
      yield* show("a", "b", "c")
      yield* show("a", "b", "c")
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(begun, ["a", "b", "c"])
      yield* show("a")
      failing.clear()
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(begun, ["a", "b", "c", "a"])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(begun.length, 4)
    })
  )

  it.effect("does not go round what is shown for ever and cannot be claimed", () =>
    Effect.gen(function* () {
      const { begun, show } = yield* setUp()
      yield* show("a")
      for (let second = 0; second < 60; second++) yield* TestClock.adjust("1 second")
      assert.strictEqual(begun.length, 13)
    })
  )

  it.effect("begins at once what left the window and came back", () =>
    Effect.gen(function* () {
      const { begun, show } = yield* setUp()
      yield* show("a")
      yield* show()
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(begun, ["a"])
      yield* show("a")
      assert.deepStrictEqual(begun, ["a", "a"])
    })
  )

  it.effect("begins again what was queued again, although no window without it was seen", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { begun, ended, settle, show } = yield* setUp(() => Deferred.await(gate))
      yield* show("a")
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      // Claimed and queued again, all between two windows that both have it.
      yield* show("a")
      assert.deepStrictEqual([begun, ended], [["a"], ["a"]])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(begun, ["a", "a"])
    })
  )

  it.effect.prop("leaves nothing that is shown last, whatever was shown before", [Windows], ([windows]) =>
    Effect.gen(function* () {
      const running = new Set<string>()
      const { show } = yield* setUp((name) =>
        Effect.acquireUseRelease(
          Effect.sync(() => {
            assert.isFalse(running.has(name), "twice at a time")
            running.add(name)
          }),
          () => Effect.sleep("1 second"),
          () => Effect.sync(() => running.delete(name))
        )
      )
      for (const window of windows) {
        yield* show(...new Set(window))
        yield* TestClock.adjust("700 millis")
      }
      const seen = new Set<string>()
      for (let step = 0; step < 70; step++) {
        for (const name of running) seen.add(name)
        yield* TestClock.adjust("100 millis")
      }
      assert.sameMembers(
        [...seen].filter((name) => windows.at(-1)?.some((last) => last === name)),
        [...new Set(windows.at(-1))]
      )
    })
  )

  it.effect("goes on when its subscription is begun again, and ends with the lease, and with it the work", () =>
    Effect.gen(function* () {
      const { begun, ended, fail, running, show } = yield* setUp(() => Effect.never)
      yield* show("a")
      yield* fail(new ConvexClientReason.FunctionFailed({ message: "Server Error" }))
      yield* TestClock.adjust("5 seconds")
      yield* show("a", "b")
      assert.deepStrictEqual([begun, ended], [["a", "b"], []])
      yield* fail(new ConvexClientReason.Rejected({ code: "Fenced", message: "Another process", data: null }))
      assert.isTrue(Exit.isFailure(yield* Fiber.await(running)))
      assert.sameMembers(ended, ["a", "b"])
    })
  )
})
