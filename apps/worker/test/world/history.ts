import { assert } from "@effect/vitest"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Deferred, Effect, Stream } from "effect"
import type { SessionId } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import {
  allSessions,
  answer,
  echo,
  limit,
  loadHistory,
  runWorker,
  say,
  schedule,
  script,
  send
} from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

/** A session that was started there, as the operator sees it. */
const begunElsewhere = Effect.fnUntraced(function* (title: string) {
  const { client } = yield* OpenCodeHost
  const { id } = yield* client.sessions.create({ title })
  const mirrored = Effect.map(allSessions, (page) => page.find((session) => session.title === title))
  const session = yield* Effect.repeat(mirrored, { until: (found) => found !== undefined, schedule })
  if (session === undefined) return yield* Effect.die("It did not appear")
  return { opencodeId: id, sessionId: session.sessionId }
})

const turnsOf = (sessionId: SessionId) =>
  Client.use((operator) =>
    operator
      .stream(({ turns }) => turns.list(sessionId))
      .pipe(
        Stream.mapEffect((turn) =>
          Effect.map(
            operator.call(({ turns }) => turns.parts(turn.turnId)),
            (parts) => ({
              ...turn,
              kinds: parts.map(({ kind }) => kind),
              said: parts.filter(({ kind }) => kind === "text").map(({ payload }) => String(JSON.parse(payload).text))
            })
          )
        ),
        Stream.runCollect
      )
  )

export const historyTests = inWorld("the history of a session", (it) => {
  it.effect(
    "from OpenCode's own terminal is imported once, as turns with their parts in order",
    () =>
      Effect.gen(function* () {
        yield* runWorker
        const { opencodeId, sessionId } = yield* begunElsewhere("with a history")
        const texts = Array.from({ length: 5 }, (_, index) => `prompt ${index + 1}`)
        for (const text of texts) yield* say(opencodeId, text)
        yield* script((request) =>
          request.toolResults.length === 0
            ? Reply.sequence([Reply.reasoning("hm"), Reply.toolCall("glob", { pattern: "*" })])
            : Reply.text("it is empty")
        )
        yield* say(opencodeId, "look around")
        assert.deepStrictEqual(yield* turnsOf(sessionId), [])

        assert.deepInclude(yield* loadHistory(sessionId), { status: "done", error: null })
        yield* loadHistory(sessionId)
        const turns = yield* turnsOf(sessionId)
        assert.deepStrictEqual(
          turns.map(({ head }) => head),
          [...texts, "look around"]
        )
        assert.deepStrictEqual(
          turns.slice(0, 5).map(({ said }) => said),
          texts.map((text, index) => [`${index + 1}: ${text}`])
        )
        const last = turns.at(-1)
        assert.deepInclude(last, { status: "completed", agent: "build", said: ["it is empty"] })
        assert.match(last?.model ?? "", /^\S+\/\S+$/)
        assert.isAbove(last?.usage?.input ?? 0, 0)
        assert.includeMembers([...(last?.kinds ?? [])], ["step-start", "reasoning", "tool", "text", "step-finish"])
        assert.isBelow(last?.createdAt ?? 0, last?.finishedAt ?? 0)
      }),
    limit
  )

  it.effect(
    "is loaded while the session runs a turn, without an effect on the turn",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        yield* runWorker
        const { opencodeId, sessionId } = yield* begunElsewhere("goes on here")
        yield* say(opencodeId, "first")
        yield* say(opencodeId, "second")
        const gate = yield* Deferred.make<void>()
        yield* script((request) =>
          request.lastUserText === "third"
            ? Reply.sequence([Reply.text("so far"), Reply.wait(Deferred.await(gate)), Reply.text(", done")])
            : echo(request)
        )
        const running = yield* send(sessionId, "third")
        const waiting = yield* send(sessionId, "fourth")
        yield* operator
          .stream(({ turns }) => turns.follow(running))
          .pipe(
            Stream.filter(({ blocks }) => blocks.length > 0),
            Stream.runHead
          )
        assert.deepInclude(yield* loadHistory(sessionId), { status: "done" })
        const order = Effect.map(turnsOf(sessionId), (turns) => turns.map(({ head }) => head))
        assert.deepStrictEqual(yield* order, ["first", "second", "third", "fourth"])
        yield* Deferred.succeed(gate, undefined)
        assert.deepInclude(yield* answer(running), { status: "completed", text: "so far, done" })
        assert.deepInclude(yield* answer(waiting), { status: "completed", text: "4: fourth" })
        yield* say(opencodeId, "fifth")
        yield* loadHistory(sessionId)
        assert.deepStrictEqual(yield* order, ["first", "second", "third", "fourth", "fifth"])
      }),
    limit
  )

  it.effect(
    "includes turns at OpenCode's own terminal between two prompts of the operator",
    () =>
      Effect.gen(function* () {
        const provider = yield* ScriptedProvider
        yield* runWorker
        const { opencodeId, sessionId } = yield* begunElsewhere("in turns")
        yield* answer(yield* send(sessionId, "here 1"))
        yield* say(opencodeId, "there 2")
        yield* answer(yield* send(sessionId, "here 3"))
        yield* say(opencodeId, "there 4")
        const asked = (yield* provider.stats).chats
        yield* loadHistory(sessionId)
        const turns = yield* turnsOf(sessionId)
        assert.deepStrictEqual(
          turns.map(({ head, said }) => [head, said[0]]),
          ["here 1", "there 2", "here 3", "there 4"].map((text, index) => [text, `${index + 1}: ${text}`])
        )
        assert.strictEqual((yield* provider.stats).chats, asked)
      }),
    limit
  )
})
