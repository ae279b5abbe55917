import { assert } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Option, Stream } from "effect"
import { Client } from "@opencode-worker/client/effect"
import {
  answer,
  ask,
  asked,
  echo,
  limit,
  newSession,
  runWorker,
  schedule,
  script,
  send,
  streaming,
  viewOf
} from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

/** Answers every prompt except `text` with `reply`. */
const unless = (text: string, reply: Reply.Streamed) =>
  script((request) => (request.lastUserText === text || request.toolResults.length > 0 ? echo(request) : reply))
const again = "and now?"

const toolRuns = (turnId: Id<"turns">) =>
  Client.use((operator) =>
    operator
      .stream(({ turns }) => turns.follow(turnId))
      .pipe(
        Stream.filter(({ blocks }) => blocks.some(({ kind }) => kind === "tool")),
        Stream.runHead
      )
  )

const nothingPending = (sessionId: Id<"sessions">) =>
  Client.use((operator) =>
    operator
      .stream(({ requests }) => requests.watch({ sessionId }))
      .pipe(
        Stream.runHead,
        Effect.map((head) => Option.getOrElse(head, () => []).length === 0)
      )
  )

export const abortTests = inWorld("an abort", (it) => {
  it.effect(
    "ends a waiting turn",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const provider = yield* ScriptedProvider
        const sessionId = yield* newSession
        const { chats } = yield* provider.stats
        const turnId = yield* send(sessionId, "never")
        yield* operator.call(({ turns }) => turns.abort(turnId))
        yield* runWorker
        assert.deepInclude(yield* answer(turnId), { status: "aborted", text: "" })
        assert.strictEqual((yield* ask(sessionId, again)).text, "1: and now?")
        assert.strictEqual((yield* provider.stats).chats - chats, 1)
      }),
    limit
  )

  it.effect(
    "ends a turn at any moment after its claim, and sends nothing of it to the model later",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const provider = yield* ScriptedProvider
        const workerId = yield* runWorker
        yield* unless(again, Reply.sequence([Reply.text("so far"), Reply.hang]))
        for (const later of ["0 millis", "60 millis", "200 millis"] as const) {
          const sessionId = yield* operator.call(({ sessions }) => sessions.create(workerId))
          const turnId = yield* send(sessionId, "never mind")
          const status = Effect.map(viewOf(turnId), (now) => now.status)
          // After the claim, a little later each time.
          yield* Effect.repeat(status, { until: (now) => now !== "queued" })
          yield* Effect.sleep(later)
          yield* operator.call(({ turns }) => turns.abort(turnId))
          assert.strictEqual((yield* answer(turnId)).status, "aborted")

          const { chats } = yield* provider.stats
          assert.strictEqual((yield* ask(sessionId, again)).status, "completed")
          assert.strictEqual((yield* provider.stats).chats - chats, 1)
        }
      }),
    limit
  )

  it.effect(
    "ends a turn in the middle of its text, and keeps the text",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        yield* unless(again, Reply.sequence([Reply.text("so far so good"), Reply.hang]))
        const turnId = yield* send(sessionId, "go on without end")
        yield* streaming(turnId)
        yield* operator.call(({ turns }) => turns.abort(turnId))
        assert.deepInclude(yield* answer(turnId), { status: "aborted", text: "so far so good" })
        assert.strictEqual((yield* ask(sessionId, again)).status, "completed")
      }),
    limit
  )

  it.effect(
    "ends a turn and its running tool",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        const tool = Reply.toolCall("bash", { command: "sleep 600", description: "waits" })
        yield* unless(again, Reply.sequence([Reply.text("I will wait."), tool]))
        const turnId = yield* send(sessionId, "wait")
        yield* toolRuns(turnId)
        yield* operator.call(({ turns }) => turns.abort(turnId))
        assert.deepInclude(yield* answer(turnId), { status: "aborted", text: "I will wait." })
        const [call] = (yield* operator.call(({ turns }) => turns.parts(turnId))).filter(({ kind }) => kind === "tool")
        assert.include(["completed", "error"], JSON.parse(call?.payload ?? "{}").state.status)
        assert.strictEqual((yield* ask(sessionId, again)).status, "completed")
      }),
    limit
  )

  it.effect(
    "ends a turn that waits for a permission, and withdraws the request",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        yield* unless(again, Reply.toolCall("webfetch", { url: "http://127.0.0.1:9/", format: "text" }))
        const turnId = yield* send(sessionId, "look it up")
        yield* asked(sessionId)
        yield* operator.call(({ turns }) => turns.abort(turnId))
        assert.strictEqual((yield* answer(turnId)).status, "aborted")
        yield* Effect.repeat(nothingPending(sessionId), { until: (none) => none, schedule })
        yield* Effect.repeat(client.permissions.list, { until: (list) => list.length === 0, schedule }).pipe(
          Effect.retry(schedule)
        )
        assert.strictEqual((yield* ask(sessionId, again)).status, "completed")
      }),
    limit
  )

  it.effect(
    "ends a turn that asks a question, and no later turn or worker asks it again",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* unless(
          again,
          Reply.toolCall("question", {
            questions: [{ question: "Which?", header: "Which", options: [{ label: "A", description: "a" }] }]
          })
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* runWorker
            const turnId = yield* send(sessionId, "ask me")
            assert.strictEqual((yield* asked(sessionId)).kind, "question")
            yield* operator.call(({ turns }) => turns.abort(turnId))
            assert.strictEqual((yield* answer(turnId)).status, "aborted")
            yield* Effect.repeat(nothingPending(sessionId), { until: (none) => none, schedule })
            assert.strictEqual((yield* ask(sessionId, again)).status, "completed")
            assert.isTrue(yield* nothingPending(sessionId))
          })
        )
        yield* runWorker
        assert.strictEqual((yield* ask(sessionId, again)).status, "completed")
        assert.isTrue(yield* nothingPending(sessionId))
      }),
    limit
  )
})
