import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Deferred, Effect, Fiber, Layer, Option, Redacted, Schedule, Stream } from "effect"
import { OpenCodeHost, type TurnEvent } from "../../src/index.ts"
import {
  type Asked,
  endOf,
  eventually,
  isQuestion,
  newSession,
  numbered,
  promptOf,
  runPrompt,
  tags,
  textOf
} from "../support.ts"
import { inWorld } from "./inWorld.ts"

const answer = "The quick brown fox jumps over the lazy dog, twice."
const bash = (command: string) => Reply.toolCall("bash", { command, description: "run" })
const said = Reply.text("Done.")

const model = ({ prompt, results }: Asked) => {
  const [word = "", ...rest] = prompt.split(" ")
  const argument = rest.join(" ")
  switch (word) {
    case "bash":
      return results === 0 ? bash(argument) : said
    case "slow":
      return Reply.text("word ".repeat(600), { every: "20 millis" })
    case "count":
      return Reply.text(numbered(argument, 100))
    case "flaky":
      return Reply.status(503)
    case "question":
      return results === 0
        ? Reply.toolCall("question", {
            questions: [
              {
                question: "Which?",
                header: "Pick",
                options: [
                  { label: "A", description: "a" },
                  { label: "B", description: "b" }
                ]
              }
            ]
          })
        : said
    case "delegate":
      return results === 0
        ? Reply.toolCall("task", { description: "sub", prompt: `bash ${argument}`, subagent_type: "general" })
        : said
    default:
      return Reply.text(answer)
  }
}

const commandOf = Effect.fnUntraced(function* (command: string, args: string) {
  const { turn } = yield* OpenCodeHost
  return turn({ ...(yield* promptOf(yield* newSession, args)), command })
})

const collectUntil = (events: Stream.Stream<TurnEvent, unknown>, tag: TurnEvent["_tag"]) =>
  events.pipe(
    Stream.filter((event) => event._tag === tag),
    Stream.runHead,
    Effect.map(Option.getOrThrow)
  )

export const turnsTests = inWorld("a turn", model, (it) => {
  it.effect("shows a tool that really ran, from pending to completed", () =>
    Effect.gen(function* () {
      const events = yield* runPrompt("bash echo $((20 + 3))")
      const tools = events.filter((event) => event._tag === "ToolUpdated").map(({ part }) => part.state)
      assert.deepStrictEqual(
        tools.map(({ status }) => status).filter((status, index, all) => status !== all[index - 1]),
        ["pending", "running", "completed"]
      )
      const last = tools.at(-1)
      assert.strictEqual(last?.status === "completed" ? last.output.trim() : undefined, "23")
      assert.strictEqual(endOf(events).outcome, "completed")
      assert.strictEqual(endOf(events).messages.length, 2)
      assert.strictEqual(textOf(events), "Done.")
    })
  )

  it.effect("refuses a second one in a session that is running one", () =>
    Effect.gen(function* () {
      const { turn } = yield* OpenCodeHost
      const sessionId = yield* newSession
      const delivered = yield* Deferred.make<void>()
      const first = yield* turn(yield* promptOf(sessionId, "slow")).pipe(
        Stream.tap((event) => (event._tag === "TextDelta" ? Deferred.succeed(delivered, undefined) : Effect.void)),
        Stream.runDrain,
        Effect.forkChild
      )
      yield* Deferred.await(delivered)
      const error = yield* Effect.flip(Stream.runDrain(turn(yield* promptOf(sessionId, "hi"))))
      assert.strictEqual(error.reason._tag, "Busy")
      yield* Fiber.interrupt(first)
    })
  )

  it.effect("fails for an unknown model, which OpenCode accepts at first", () =>
    Effect.gen(function* () {
      const { turn } = yield* OpenCodeHost
      const prompt = yield* promptOf(yield* newSession, "hi")
      const end = endOf(yield* Stream.runCollect(turn({ ...prompt, model: "scripted/no/such" })))
      assert.strictEqual(end.outcome, "failed")
      assert.include(end.error?.message, "no/such")
    })
  )

  it.effect("fails for an unknown agent, of which OpenCode keeps nothing", () =>
    Effect.gen(function* () {
      const { turn } = yield* OpenCodeHost
      const prompt = yield* promptOf(yield* newSession, "hi")
      const events = yield* Stream.runCollect(turn({ ...prompt, agent: "unknown-agent" }))
      assert.deepStrictEqual(tags(events), ["Ended"])
      assert.strictEqual(endOf(events).outcome, "failed")
      assert.include(endOf(events).error?.message, "unknown-agent")
    })
  )

  it.effect("fails before delivery for an unknown session", () =>
    Effect.gen(function* () {
      const { turn } = yield* OpenCodeHost
      const error = yield* Effect.flip(Stream.runCollect(turn(yield* promptOf("ses_doesnotexist", "hi"))))
      assert.strictEqual(error.reason._tag, "NotFound")
    })
  )

  it.effect("announces a retry of the provider, and is aborted in it", () =>
    Effect.gen(function* () {
      const { turn, abort } = yield* OpenCodeHost
      const sessionId = yield* newSession
      const events = yield* turn(yield* promptOf(sessionId, "flaky")).pipe(
        Stream.tap((event) => (event._tag === "RetryScheduled" ? abort(sessionId) : Effect.void)),
        Stream.runCollect
      )
      assert.include(tags(events), "RetryScheduled")
      assert.strictEqual(endOf(events).outcome, "aborted")
    })
  )

  it.effect("is aborted in OpenCode when its stream is interrupted", () =>
    Effect.gen(function* () {
      const { turn, client } = yield* OpenCodeHost
      const sessionId = yield* newSession
      const prompt = yield* promptOf(sessionId, "slow")
      yield* collectUntil(turn(prompt), "TextDelta")
      assert.isUndefined((yield* client.sessions.status)[sessionId])
      const after = endOf(yield* Stream.runCollect(turn(prompt)))
      assert.strictEqual(after.outcome, "aborted")
    })
  )

  it.effect("is aborted at its deadline", () =>
    Effect.gen(function* () {
      const { turn } = yield* OpenCodeHost
      const prompt = yield* promptOf(yield* newSession, "slow")
      const end = endOf(yield* Stream.runCollect(turn({ ...prompt, deadline: "700 millis" })))
      assert.strictEqual(end.outcome, "aborted")
      assert.strictEqual(end.error?.name, "DeadlineExceeded")
    })
  )

  it.effect("ends aborted when its question is dismissed", () =>
    Effect.gen(function* () {
      const { turn, reply } = yield* OpenCodeHost
      const events = yield* turn(yield* promptOf(yield* newSession, "question")).pipe(
        Stream.tap((event) => (isQuestion(event) ? reply(event.request, { type: "dismiss" }) : Effect.void)),
        Stream.runCollect
      )
      assert.strictEqual(endOf(events).outcome, "aborted")
      assert.strictEqual(endOf(events).error?.name, "Rejected")
    })
  )

  it.effect("covers its sub-agents, whose idle is not its end", () =>
    Effect.gen(function* () {
      const { client } = yield* OpenCodeHost
      const events = yield* runPrompt("delegate echo from-below")
      const end = endOf(events)
      assert.strictEqual(end.outcome, "completed")
      assert.strictEqual(textOf(events), "Done.")
      const parent = end.messages[0]?.info.sessionID ?? ""
      assert.strictEqual((yield* client.sessions.children(parent)).length, 1)
    })
  )

  // `pnpm test:full` runs 32.
  it.effect.each(process.env["TEST_FULL"] === undefined ? [8] : [1, 8, 32])(
    "is one of %d at once, and each gets its own text, whole and in order",
    (count) =>
      Effect.gen(function* () {
        const names = Array.from({ length: count }, (_, index) => `session${index}of${count}`)
        const turns = yield* Effect.forEach(names, (name) => runPrompt(`count ${name}`), { concurrency: "unbounded" })
        for (const [index, events] of turns.entries()) {
          assert.strictEqual(textOf(events), numbered(names[index] ?? "", 100))
          assert.strictEqual(endOf(events).outcome, "completed")
        }
      })
  )

  it.effect("ends when its session is deleted", () =>
    Effect.gen(function* () {
      const { turn, client } = yield* OpenCodeHost
      const sessionId = yield* newSession
      const events = yield* turn(yield* promptOf(sessionId, "slow")).pipe(
        Stream.tap((event) =>
          event._tag === "TextDelta" ? Effect.ignore(client.sessions.remove(sessionId)) : Effect.void
        ),
        Stream.runCollect
      )
      assert.strictEqual(endOf(events).error?.name, "SessionDeleted")
      yield* client.sessions.status.pipe(
        Effect.repeat({
          until: (status) => status[sessionId] === undefined,
          schedule: Schedule.spaced("50 millis"),
          times: 100
        })
      )
      assert.isUndefined((yield* client.sessions.status)[sessionId])
    })
  )

  it.effect("uses the default model of a configuration that was changed under it, and lists it", () =>
    Effect.gen(function* () {
      const { client, directory, events, server } = yield* OpenCodeHost
      const { url, password } = yield* server
      const guest = OpenCodeHost.layer({ directory, attach: { url, password } })
      yield* Effect.gen(function* () {
        const attached = yield* OpenCodeHost
        const hosts = [
          { models: client.models, events },
          { models: attached.client.models, events: attached.events }
        ]
        const gaps = yield* Effect.forEach(hosts, ({ models, ...one }) =>
          Effect.gen(function* () {
            assert.strictEqual((yield* models).default, "scripted/echo")
            // Only a connection that is there can end.
            const heard = yield* Effect.forkScoped(Stream.runHead(one.events), { startImmediately: true })
            yield* eventually(
              Effect.map(newSession, () => heard.pollUnsafe() !== undefined),
              (is) => is
            )
            return yield* one.events.pipe(
              Stream.filter((event) => event._tag === "Gap"),
              Stream.runHead,
              Effect.forkScoped({ startImmediately: true })
            )
          })
        )
        yield* Effect.promise(() =>
          fetch(`${url}/global/config`, {
            method: "PATCH",
            headers: {
              authorization: `Basic ${Buffer.from(`opencode:${Redacted.value(password)}`).toString("base64")}`,
              "content-type": "application/json"
            },
            body: JSON.stringify({ model: "scripted/other" })
          })
        )
        for (const gap of gaps) yield* Fiber.join(gap)
        for (const { models } of hosts) assert.strictEqual((yield* models).default, "scripted/other")
        assert.strictEqual(endOf(yield* runPrompt("hi")).messages[0]?.info.modelID, "other")
      }).pipe(Effect.provide(Layer.fresh(guest)), Effect.scoped)
    })
  )

  it.effect("runs a command of OpenCode, which was delivered before it was sent", () =>
    Effect.gen(function* () {
      const events = yield* Stream.runCollect(yield* commandOf("ls", "-d ."))
      assert.strictEqual(tags(events)[0], "Delivered")
      assert.strictEqual(tags(events).filter((tag) => tag === "Delivered").length, 1)
      assert.strictEqual(endOf(events).outcome, "completed")
      assert.strictEqual(textOf(events), "Done.")
      const sub = endOf(yield* Stream.runCollect(yield* commandOf("delegated", "one")))
      assert.strictEqual(sub.outcome, "completed")
      assert.isTrue(
        sub.messages.some(({ parts }) => parts.some((part) => part.type === "tool" && part.tool === "task"))
      )
    })
  )

  it.effect("follows a command that runs, and never runs it again", () =>
    Effect.gen(function* () {
      const { client, turn } = yield* OpenCodeHost
      const prompt = { ...(yield* promptOf(yield* newSession, "")), command: "ls" }
      yield* Stream.runDrain(turn(prompt))
      const again = endOf(yield* Stream.runCollect(turn(prompt)))
      assert.strictEqual(again.outcome, "completed")
      const { messages } = yield* client.messages.list(prompt.sessionId)
      assert.strictEqual(messages.filter(({ info }) => info.role === "user").length, 1)
    })
  )

  it.effect("stops a command that OpenCode has not begun, as soon as it begins", () =>
    Effect.gen(function* () {
      const { abort, client, directory } = yield* OpenCodeHost
      const prompt = yield* promptOf(yield* newSession, "")
      const { turn } = yield* OpenCodeHost
      const delivered = yield* Deferred.make<void>()
      const running = yield* turn({ ...prompt, command: "slowly" }).pipe(
        Stream.tap(({ _tag }) => (_tag === "Delivered" ? Deferred.succeed(delivered, undefined) : Effect.void)),
        Stream.runCollect,
        Effect.forkChild
      )
      yield* Deferred.await(delivered)
      yield* abort(prompt.sessionId)
      assert.strictEqual((yield* client.messages.list(prompt.sessionId)).messages.length, 0)
      writeFileSync(join(directory, "gate"), "")
      assert.strictEqual(endOf(yield* Fiber.join(running)).outcome, "aborted")
      yield* eventually(client.sessions.status, (status) => status[prompt.sessionId] === undefined)
    })
  )

  it.effect("refuses a command that does not exist, and arguments that would run a shell or read elsewhere", () =>
    Effect.gen(function* () {
      const { directory } = yield* OpenCodeHost
      const refusal = (command: string, args: string) =>
        Effect.flatMap(commandOf(command, args), (events) => Effect.flip(Stream.runDrain(events)))
      for (const [command, args, problem] of [
        ["none", "", "no command of this name"],
        ["ls", "!`touch ran`", "in a shell"],
        ["ls", "@/etc/passwd", "@/etc/passwd"]
      ] as const) {
        const { message, reason } = yield* refusal(command, args)
        assert.strictEqual(reason._tag, "CommandRefused")
        assert.include(message, problem)
      }
      assert.isFalse(existsSync(join(directory, "ran")))
      const ended = endOf(yield* Stream.runCollect(yield* commandOf("misnamed", "")))
      assert.strictEqual(ended.outcome, "failed")
      assert.include(ended.error?.message, "nobody")
    })
  )
})
