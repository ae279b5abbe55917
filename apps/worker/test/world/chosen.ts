import { assert } from "@effect/vitest"
import { Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Option, Schedule, Stream } from "effect"
import type { SessionId } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { answer, ask, limit, loadHistory, newSession, runWorker, script, send } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

/** The model and agent of each turn of a session, as the operator sees them. */
const answerers = (sessionId: SessionId) =>
  Client.use((operator) =>
    operator
      .stream(({ turns }) => turns.list(sessionId))
      .pipe(
        Stream.map(({ answeredBy, model }) => [model, answeredBy?.model, answeredBy?.agent]),
        Stream.runCollect
      )
  )

export const chosenTests = inWorld("a turn", (it) => {
  it.effect(
    "continues with the model of its session, and shows the model and agent",
    () =>
      Effect.gen(function* () {
        const provider = yield* ScriptedProvider
        const sessionId = yield* newSession
        yield* runWorker
        yield* ask(sessionId, "first", "scripted/other")
        yield* ask(sessionId, "second")
        assert.deepStrictEqual(yield* answerers(sessionId), [
          ["scripted/other", "scripted/other", "build"],
          [null, "scripted/other", "build"]
        ])
        const asked = (yield* provider.requests).filter(({ kind }) => kind === "chat").slice(-2)
        assert.deepStrictEqual(
          asked.map(({ model }) => model),
          ["other", "other"]
        )
      }),
    limit
  )

  it.effect(
    "does not change the model of another or a new session",
    () =>
      Effect.gen(function* () {
        // anomalyco/opencode#18455, #34575; a bot or an application with its own default: alvarolorentedev/opencode-mobile#35.
        const [strong, cheap, fresh] = [yield* newSession, yield* newSession, yield* newSession]
        yield* runWorker
        yield* ask(strong, "first", "scripted/other")
        yield* ask(cheap, "first", "scripted/echo")
        yield* ask(strong, "second")
        yield* ask(cheap, "second")
        yield* ask(fresh, "third")
        const models = yield* Effect.forEach([strong, cheap, fresh], answerers)
        assert.deepStrictEqual(
          models.map((turns) => turns.map(([, model]) => model)),
          [["scripted/other", "scripted/other"], ["scripted/echo", "scripted/echo"], ["scripted/echo"]]
        )
      }),
    limit
  )

  it.effect(
    "uses the configured model by default, whatever other sessions use",
    () =>
      Effect.gen(function* () {
        const sessionId = yield* newSession
        yield* runWorker
        yield* ask(sessionId, "hello")
        assert.deepStrictEqual(yield* answerers(sessionId), [[null, "scripted/echo", "build"]])
      }),
    limit
  )

  // A session whose model was removed ended without a message: anomalyco/opencode#42781.
  it.effect(
    "fails for an unknown model, and names the most similar one",
    () =>
      Effect.gen(function* () {
        const sessionId = yield* newSession
        yield* runWorker
        const ended = yield* ask(sessionId, "hello", "scripted/othr")
        assert.strictEqual(ended.status, "failed")
        assert.include(ended.error, "scripted/other")
      }),
    limit
  )

  it.effect.each([
    ["OutputLimit", Reply.withFinish(Reply.text("half a sent"), "length")],
    ["EmptyAnswer", Reply.withFinish(Reply.text(""), "stop")]
  ] as const)(
    "completes with a notice (%s) when its answer is incomplete",
    ([name, reply]) =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        yield* script(() => reply)
        const turnId = yield* send(sessionId, "hello")
        assert.strictEqual((yield* answer(turnId)).status, "completed")
        const last = (yield* operator.call(({ turns }) => turns.parts(turnId))).at(-1)
        assert.deepInclude(JSON.parse(last?.payload ?? "{}"), { name })
      }),
    limit
  )

  it.effect(
    "shows how long it waits for the provider, and fails if that exceeds its deadline",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        yield* script(() => Reply.status(429, { retryAfter: "30 minutes", message: "slow down" }))
        const waiting = yield* send(sessionId, "wait")
        const seen = yield* operator
          .stream(({ turns }) => turns.follow(waiting))
          .pipe(
            Stream.flatMap(({ blocks }) => Stream.fromIterable(blocks)),
            Stream.filter((block) => block.kind === "notice"),
            Stream.filter(({ text }) => text.includes("Waiting for the provider")),
            Stream.runHead
          )
        assert.match(
          Option.getOrThrow(seen).text,
          /^Waiting for the provider until \d{4}-\d\d-\d\d \d\d:\d\d UTC \(attempt 1\): .*slow down/
        )
        yield* operator.call(({ turns }) => turns.abort(waiting))
        yield* answer(waiting)
        yield* script(() => Reply.status(429, { retryAfter: "2 hours", message: "slow down" }))
        const late = yield* ask(sessionId, "too late")
        assert.strictEqual(late.status, "failed")
        assert.match(late.error, /after the deadline of this turn: .*slow down/)
      }),
    limit
  )

  it.effect(
    "completes after a compaction, with a notice in place of the summary",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        let isFirst = true
        yield* script(({ lastUserText }) => {
          if (lastUserText.includes("<conversation>")) return Reply.text("SUMMARY")
          if (!isFirst) return Reply.text("FINAL ANSWER")
          isFirst = false
          const look = Reply.sequence([Reply.text("Looking first. "), Reply.toolCall("glob", { pattern: "*" })])
          return Reply.withUsage(look, { promptTokens: 99_000, completionTokens: 50 })
        })
        const ended = yield* ask(sessionId, "Do the long thing")
        assert.deepInclude(ended, { status: "completed", text: "Looking first. \nFINAL ANSWER" })
        assert.strictEqual(ended.notices.length, 1)
        assert.match(ended.notices[0] ?? "", /compacted/)
        const prompts = Effect.map(Stream.runCollect(operator.stream(({ turns }) => turns.list(sessionId))), (turns) =>
          turns.map(({ head }) => head)
        )
        yield* loadHistory(sessionId).pipe(Effect.repeat({ times: 1, schedule: Schedule.forever }))
        assert.deepStrictEqual(yield* prompts, ["Do the long thing"])
      }),
    limit
  )
})
