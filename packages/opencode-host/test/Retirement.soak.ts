import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Stream } from "effect"
import { Reply } from "@opencode-worker/testkit"
import { OpenCodeHost, type RecycleOptions, listProcesses } from "../src/index.ts"
import { endOf, eventually, layerHost, runPrompt } from "./support.ts"

// A megabyte is less than any server needs, and a second is less than any lives: the first idle moment ends it.
const limits: ReadonlyArray<readonly [name: string, RecycleOptions]> = [
  ["large", { memory: 1_000_000 }],
  ["old", { age: "1 second" }]
]

describe.skipIf(process.platform !== "linux")("a server that is idle", () => {
  it.live.each(limits)(
    "is replaced when it is too %s",
    ([, recycle]) =>
      Effect.gen(function* () {
        const { server, events, hostId } = yield* OpenCodeHost
        const gap = yield* events.pipe(
          Stream.filter((event) => event._tag === "Gap"),
          Stream.runHead,
          Effect.forkScoped({ startImmediately: true })
        )
        assert.strictEqual(endOf(yield* runPrompt("hi")).outcome, "completed")
        const { pid } = yield* server
        yield* eventually(listProcesses(hostId), (pids) => pids.length > 0 && !pids.includes(pid ?? 0))
        assert.deepStrictEqual(Option.getOrUndefined(yield* Fiber.join(gap)), { _tag: "Gap", cause: "restart" })
        assert.strictEqual(endOf(yield* runPrompt("hi again")).outcome, "completed")
      }).pipe(Effect.scoped, Effect.provide(Layer.fresh(layerHost(() => Reply.text("Hello."), { recycle })))),
    300_000
  )

  it.live(
    "is ended in spite of calls of ifRunning, is not started by them, and is back at the next use",
    () =>
      Effect.gen(function* () {
        const { ifRunning, hostId } = yield* OpenCodeHost
        const look = ifRunning(({ sessions }) => Effect.map(sessions.list(), ({ length }) => length))
        assert.isTrue(Option.isNone(yield* look))
        assert.strictEqual(endOf(yield* runPrompt("hi")).outcome, "completed")
        assert.strictEqual(Option.getOrUndefined(yield* look), 1)
        yield* eventually(
          Effect.orElseSucceed(look, () => Option.some(-1)),
          Option.isNone
        )
        yield* eventually(listProcesses(hostId), (pids) => pids.length === 0)
        assert.isTrue(Option.isNone(yield* look))
        assert.strictEqual(endOf(yield* runPrompt("hi again")).outcome, "completed")
      }).pipe(
        Effect.scoped,
        Effect.provide(Layer.fresh(layerHost(() => Reply.text("Hello."), { idleTimeout: "5 seconds" })))
      ),
    300_000
  )
})
