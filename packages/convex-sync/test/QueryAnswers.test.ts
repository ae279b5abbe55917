import { assert, describe, it } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { ConvexClientReason } from "@opencode-worker/effect-convex"
import { Data, Effect, Fiber, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { ConvexSyncError, QueryAnswers } from "../src/index.ts"

class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

const read = (path: string): QueryAnswers.WaitingQuery => ({
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only a deployment makes real ones
  queryId: path as Id<"queries">,
  query: { kind: "readFile", path }
})

/** Answers queries with `execute`, and records what was begun and answered. */
const setUp = Effect.fnUntraced(function* (execute: (path: string) => Effect.Effect<unknown, Error>) {
  const windows = yield* Queue.unbounded<ReadonlyArray<QueryAnswers.WaitingQuery> | ConvexSyncError>()
  const answers = yield* Queue.unbounded<readonly [string, QueryAnswers.QueryOutcome]>()
  const begun: Array<string> = []
  let calls = 0
  const away = new ConvexSyncError({
    operation: "queries:answer",
    reason: new ConvexClientReason.Unreachable({ millis: 1 })
  })
  const running = yield* Effect.forkScoped(
    QueryAnswers.answerFrom(
      {
        windows: Stream.mapEffect(Stream.fromQueue(windows), (shown) =>
          "operation" in shown ? Effect.fail(shown) : Effect.succeed(shown)
        ),
        answer: (queryId, outcome) =>
          Effect.suspend(() => (++calls === 1 ? Effect.fail(away) : Queue.offer(answers, [queryId, outcome])))
      },
      (query) => {
        const path = query.kind === "readFile" ? query.path : ""
        begun.push(path)
        return execute(path)
      }
    )
  )
  const show = (...queries: ReadonlyArray<QueryAnswers.WaitingQuery>) => Queue.offer(windows, queries)
  return { answers, begun, running, show, windows }
})

describe("QueryAnswers", () => {
  it.effect("answers each query once, next to the others, with the value or the failure", () =>
    Effect.gen(function* () {
      const { answers, begun, show } = yield* setUp((path) => {
        if (path === "slow") return Effect.never
        if (path === "large") return Effect.succeed("x".repeat(250_000))
        return path === "none" ? new Refused({ message: "There is no such file" }) : Effect.succeed({ path })
      })
      yield* show(read("slow"), read("a"))
      // The first answer is lost on the way.
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Queue.take(answers), ["a", { result: '{"path":"a"}' }])
      yield* show(read("slow"), read("none"), read("large"))
      assert.deepStrictEqual(yield* Queue.takeN(answers, 2), [
        ["none", { error: "There is no such file" }],
        ["large", { error: "The result is too large" }]
      ])
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(yield* Queue.take(answers), ["slow", { error: "It took too long" }])
      assert.deepStrictEqual(begun, ["slow", "a", "none", "large"])
    })
  )

  it.effect("fails when the lease is lost", () =>
    Effect.gen(function* () {
      const { running, windows } = yield* setUp(() => Effect.void)
      const reason = new ConvexClientReason.Rejected({ code: "Fenced", message: "Another process", data: {} })
      yield* Queue.offer(windows, new ConvexSyncError({ operation: "queries:waiting", reason }))
      assert.strictEqual((yield* Effect.flip(Fiber.join(running))).reason._tag, "Rejected")
    })
  )
})
