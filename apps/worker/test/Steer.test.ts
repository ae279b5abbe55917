/** Prompts that wait or steer, through the real OpenCode and the real client. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Client } from "@opencode-worker/client/effect"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Stream } from "effect"
import { answer, echo, limit, newSession, runWorker, schedule, script, send, viewOf, world } from "./support/world.ts"

const steer = (sessionId: Parameters<typeof send>[0], text: string) =>
  Client.use((operator) => operator.call(({ turns }) => turns.send(sessionId, text, { delivery: "steer" })))

layer(world, { excludeTestServices: true, timeout: 120_000 })("the prompts of a session", (it) => {
  it.effect(
    "are steered into a running turn, which keeps what it had, and queued ones follow as they were changed",
    () =>
      Effect.gen(function* () {
        const { directory } = yield* OpenCodeHost
        const operator = yield* Client
        const provider = yield* ScriptedProvider
        const gate = join(directory, "gate")
        const tool = Reply.toolCall("bash", {
          command: `until [ -e ${gate} ]; do sleep 0.05; done; echo one`,
          description: "waits"
        })
        yield* script((request) =>
          request.lastUserText === "work" && request.toolResults.length === 0
            ? Reply.sequence([Reply.text("I work."), tool])
            : echo({ ...request, toolResults: [] })
        )
        const sessionId = yield* newSession
        yield* runWorker
        const first = yield* send(sessionId, "work")
        yield* operator
          .stream(({ turns }) => turns.follow(first))
          .pipe(
            Stream.filter(({ blocks }) => blocks.some(({ kind }) => kind === "tool")),
            Stream.runHead
          )
        const [later, dropped, sooner] = [
          yield* send(sessionId, "later"),
          yield* send(sessionId, "dropped"),
          yield* send(sessionId, "sooner")
        ]
        yield* operator.call(({ promptQueue }) => promptQueue.move(sooner, later))
        yield* operator.call(({ promptQueue }) => promptQueue.drop(dropped))
        yield* operator.call(({ promptQueue }) => promptQueue.edit(later, { text: "much later" }))
        const second = yield* steer(sessionId, "rather this")
        yield* Effect.repeat(viewOf(second), { until: ({ status }) => status === "running", schedule })
        assert.strictEqual((yield* viewOf(first)).status, "running")
        const queued = yield* operator.call(({ promptQueue }) => promptQueue.list(sessionId))
        assert.deepStrictEqual(
          queued.map(({ head }) => head),
          ["sooner", "much later"]
        )
        const { chats } = yield* provider.stats
        writeFileSync(gate, "")
        const ended = yield* answer(first)
        assert.deepInclude(ended, { status: "completed", text: "I work." })
        assert.include(ended.notices.join(), "took over")
        assert.deepInclude(yield* answer(second), { status: "completed", text: "2: rather this" })
        assert.strictEqual((yield* answer(sooner)).text, "3: sooner")
        assert.strictEqual((yield* answer(later)).text, "4: much later")
        assert.strictEqual((yield* provider.stats).chats - chats, 3)
        const all = yield* Stream.runCollect(operator.stream(({ turns }) => turns.list(sessionId)))
        assert.deepStrictEqual(
          all.map(({ delivery, head }) => [head, delivery]),
          [
            ["work", "queue"],
            ["rather this", "steer"],
            ["sooner", "queue"],
            ["much later", "queue"]
          ]
        )
      }),
    limit
  )

  it.effect(
    "end together when one of them is aborted while it steers",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        yield* script((request) =>
          request.lastUserText === "work"
            ? Reply.sequence([
                Reply.text("I work."),
                Reply.toolCall("bash", { command: "sleep 600", description: "waits" })
              ])
            : echo(request)
        )
        const sessionId = yield* newSession
        yield* runWorker
        const first = yield* send(sessionId, "work")
        yield* operator
          .stream(({ turns }) => turns.follow(first))
          .pipe(
            Stream.filter(({ blocks }) => blocks.some(({ kind }) => kind === "tool")),
            Stream.runHead
          )
        const second = yield* steer(sessionId, "rather this")
        yield* Effect.repeat(viewOf(second), { until: ({ status }) => status === "running", schedule })
        yield* operator.call(({ turns }) => turns.abort(second))
        assert.deepInclude(yield* answer(second), { status: "aborted", text: "" })
        assert.deepInclude(yield* answer(first), { status: "aborted", text: "I work." })
        assert.strictEqual((yield* answer(yield* send(sessionId, "next"))).status, "completed")
      }),
    limit
  )
})
