/** How OpenCode writes messages of its own into a turn: each way, with the real program. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Deferred, Effect, Redacted, Ref, Schedule, Stream } from "effect"
import { OpenCodeHost, promptText, recordedTurn, recordedTurns, type TurnEvent, usageOf } from "../../src/index.ts"
import { endOf, newSession, promptOf, textOf } from "../support.ts"
import { inWorld } from "./inWorld.ts"

const full = { promptTokens: 99_000, completionTokens: 50 }
const little = { promptTokens: 900, completionTokens: 10 }
const look = Reply.sequence([
  Reply.text("Looking first. "),
  Reply.toolCall("bash", { command: "echo looked", description: "Looks" })
])
const tooLong = () => Reply.status(400, { message: "context_length_exceeded: the prompt is too long" })
const isSummary = (prompt: string) => prompt.includes("<conversation>")

/** Prompts `text` in a session, and collects what happens. `onEvent` is called for each event. */
const run = Effect.fnUntraced(function* (
  sessionId: string,
  text: string,
  onEvent: (event: TurnEvent) => Effect.Effect<unknown, unknown> = () => Effect.void
) {
  const { client, turn } = yield* OpenCodeHost
  const prompt = yield* promptOf(sessionId, text)
  const events = yield* turn(prompt).pipe(Stream.tap(onEvent), Stream.runCollect)
  const recorded = yield* recordedTurn(client, prompt)
  return { events, end: endOf(events), recorded: recorded?.messages ?? [], text: textOf(events) }
})

const script = (say: (asked: { readonly prompt: string; readonly count: number }) => Reply.Reply) =>
  Effect.gen(function* () {
    const provider = yield* ScriptedProvider
    const count = yield* Ref.make(0)
    yield* provider.setScript(({ lastUserText }) =>
      isSummary(lastUserText)
        ? Effect.succeed(say({ prompt: "SUMMARY", count: 0 }))
        : Effect.map(
            Ref.updateAndGet(count, (n) => n + 1),
            (n) => say({ prompt: lastUserText, count: n })
          )
    )
  })

const summary = Reply.withUsage(Reply.text("SUMMARY"), little)
const compactions = (events: ReadonlyArray<TurnEvent>) =>
  events.flatMap((event) => (event._tag === "Compaction" ? [event.state] : []))

/** Calls of OpenCode that the port does not have. */
const post = Effect.fnUntraced(function* (path: string, body: object) {
  const { directory, server } = yield* OpenCodeHost
  const { password, url } = yield* server
  yield* Effect.promise(() =>
    fetch(`${url}${path}?directory=${encodeURIComponent(directory)}`, {
      method: "POST",
      headers: {
        authorization: `Basic ${Buffer.from(`opencode:${Redacted.value(password)}`).toString("base64")}`,
        "content-type": "application/json"
      },
      body: JSON.stringify(body)
    }).then((response) => response.text())
  )
})

const turnsIn = Effect.fnUntraced(function* (sessionId: string) {
  const { client } = yield* OpenCodeHost
  const turns = yield* Stream.runCollect(recordedTurns(client, sessionId, { pageSize: 2 }))
  return turns.toReversed().map((turn) => ({
    kind: turn.kind,
    prompt: promptText(turn),
    said: turn.messages
      .filter(({ info }) => info.summary !== true)
      .flatMap(({ parts }) => parts.flatMap((part) => (part.type === "text" ? [part.text] : []))),
    usage: usageOf(turn.messages)
  }))
})

export const compactionTests = inWorld(
  "a turn in which OpenCode",
  () => Reply.text("ok"),
  (it) => {
    it.effect("compacts between two steps has the answer that follows, live and in the record", () =>
      Effect.gen(function* () {
        yield* script(({ count, prompt }) =>
          prompt === "SUMMARY"
            ? summary
            : count === 1
              ? Reply.withUsage(look, full)
              : Reply.withUsage(Reply.text("FINAL ANSWER"), little)
        )
        const sessionId = yield* newSession
        const { end, events, recorded, text } = yield* run(sessionId, "Do the long thing")
        assert.strictEqual(end.outcome, "completed")
        assert.strictEqual(text, "Looking first. FINAL ANSWER")
        assert.strictEqual(compactions(events).at(-1), "completed")
        assert.deepStrictEqual(recorded, end.messages)
        assert.deepStrictEqual(
          end.messages.map(({ info }) => info.summary ?? false),
          [false, true, false]
        )
        assert.strictEqual(end.usage.output, 50 + 10 + 10)
        const turns = yield* turnsIn(sessionId)
        assert.deepStrictEqual(turns, [
          { kind: "prompt", prompt: "Do the long thing", said: ["Looking first. ", "FINAL ANSWER"], usage: end.usage }
        ])
      })
    )

    it.effect("compacts after the answer, and goes on, has both texts", () =>
      Effect.gen(function* () {
        yield* script(({ count, prompt }) =>
          prompt === "SUMMARY" ? summary : Reply.withUsage(Reply.text(`answer ${count}. `), count === 1 ? full : little)
        )
        const sessionId = yield* newSession
        const first = yield* run(sessionId, "one")
        assert.deepStrictEqual([first.end.outcome, first.text], ["completed", "answer 1. answer 2. "])
        const second = yield* run(sessionId, "two")
        assert.deepStrictEqual([second.end.outcome, second.text], ["completed", "answer 3. "])
        assert.deepStrictEqual(
          (yield* turnsIn(sessionId)).map(({ prompt }) => prompt),
          ["one", "two"]
        )
      })
    )

    it.effect.each([1, 2])("repeats the prompt because it did not fit, as prompt %d of its session", (place) =>
      Effect.gen(function* () {
        let refusals = 0
        yield* script(({ prompt }) => {
          if (prompt === "SUMMARY") return summary
          if (prompt.includes("long") && refusals++ === 0) return tooLong()
          return Reply.text(`answer to ${prompt.slice(0, 8)}`)
        })
        const sessionId = yield* newSession
        if (place === 2) yield* run(sessionId, "first")
        const { end, events, recorded, text } = yield* run(sessionId, "long one")
        assert.strictEqual(end.outcome, "completed")
        // Without an earlier prompt there is nothing to summarise but this one: OpenCode asks the model to go on.
        assert.strictEqual(text, place === 2 ? "answer to long one" : "answer to The prev")
        assert.strictEqual(compactions(events).at(-1), "completed")
        assert.deepStrictEqual(recorded, end.messages)
        yield* run(sessionId, "long one")
        assert.deepStrictEqual(
          (yield* turnsIn(sessionId)).map(({ prompt }) => prompt),
          [...(place === 2 ? ["first"] : []), "long one", "long one"]
        )
      })
    )

    it.effect("cannot make room fails with what OpenCode says", () =>
      Effect.gen(function* () {
        yield* script(() => tooLong())
        const { end, recorded } = yield* run(yield* newSession, "far too long")
        assert.strictEqual(end.outcome, "failed")
        assert.strictEqual(end.error?.name, "ContextOverflowError")
        assert.deepStrictEqual(recorded, end.messages)
      })
    )

    it.effect("compacts is aborted in the compaction", () =>
      Effect.gen(function* () {
        const { abort } = yield* OpenCodeHost
        yield* script(({ prompt }) => (prompt === "SUMMARY" ? Reply.hang : Reply.withUsage(look, full)))
        const sessionId = yield* newSession
        const { end, text } = yield* run(sessionId, "Do the long thing", (event) =>
          event._tag === "Compaction" && event.state === "running" ? abort(sessionId) : Effect.void
        )
        assert.deepStrictEqual([end.outcome, text], ["aborted", "Looking first. "])
        yield* script(({ prompt }) => (prompt === "SUMMARY" ? summary : Reply.text("going on")))
        const next = yield* run(sessionId, "again")
        assert.deepStrictEqual([next.end.outcome, next.text], ["completed", "going on"])
      })
    )

    // `pnpm test:full` tries both.
    const moments = ["between two steps", "because a prompt did not fit"]
    it.effect.each(process.env["TEST_FULL"] === undefined ? moments.slice(0, 1) : moments)(
      "is killed while it compacts %s ends interrupted, and the next turn is whole",
      (when) =>
        Effect.gen(function* () {
          const { server } = yield* OpenCodeHost
          const sessionId = yield* newSession
          yield* script(() => Reply.text("ok"))
          yield* run(sessionId, "first")
          const compacting = yield* Deferred.make<void>()
          yield* script(({ prompt }) => {
            if (prompt === "SUMMARY")
              return Reply.sequence([Reply.wait(Deferred.succeed(compacting, undefined)), Reply.hang])
            return when === "between two steps" ? Reply.withUsage(look, full) : tooLong()
          })
          const pid = (yield* server).pid ?? 0
          yield* Effect.forkScoped(
            Effect.andThen(
              Deferred.await(compacting),
              Effect.sync(() => process.kill(pid, "SIGKILL"))
            )
          )
          const cut = yield* run(sessionId, "Do the long thing")
          assert.deepStrictEqual([cut.end.outcome, cut.end.error?.name], ["interrupted", "ServerDied"])
          assert.strictEqual(cut.text, when === "between two steps" ? "Looking first. " : "")
          // OpenCode takes up the compaction with the next prompt.
          yield* script(({ prompt }) => (prompt === "SUMMARY" ? summary : Reply.text("whole again")))
          const next = yield* run(sessionId, "next")
          assert.deepStrictEqual([next.end.outcome, next.text], ["completed", "whole again"])
          assert.deepStrictEqual(next.recorded, next.end.messages)
          assert.deepStrictEqual(
            (yield* turnsIn(sessionId)).map(({ prompt }) => prompt),
            ["first", "Do the long thing", "next"]
          )
        })
    )

    // Tarquinen/opencode-dynamic-context-pruning#43 and #417; joshuadavidthomas/opencode-agent-skills#7.
    it.effect("takes a plugin's notice that the model does not get has the answer that follows", () =>
      Effect.gen(function* () {
        const running = yield* OpenCodeHost
        const posted = yield* Deferred.make<void>()
        yield* script(({ count }) =>
          count === 1
            ? Reply.sequence([Reply.text("Looking. "), Reply.wait(Deferred.await(posted)), look])
            : Reply.text("Found")
        )
        const sessionId = yield* newSession
        const notice = { noReply: true, parts: [{ type: "text", text: "2 tools were removed", ignored: true }] }
        const { end, recorded, text } = yield* run(sessionId, "Do the thing", (event) =>
          event._tag === "TextDelta" && event.delta.includes("Looking. ")
            ? post(`/session/${sessionId}/message`, notice).pipe(
                Effect.provideService(OpenCodeHost, running),
                Effect.andThen(Deferred.succeed(posted, undefined))
              )
            : Effect.void
        )
        assert.deepStrictEqual([end.outcome, text], ["completed", "Looking. Looking first. Found"])
        assert.deepStrictEqual(recorded, end.messages)
        assert.deepStrictEqual(
          (yield* turnsIn(sessionId)).map(({ prompt }) => prompt),
          ["Do the thing"]
        )
      })
    )

    it.effect(
      "takes a plugin's message that asks for no answer is followed by a turn that has the answer to both",
      () =>
        Effect.gen(function* () {
          // anomalyco/opencode#3433: context between two prompts. #4431: a tool of a plugin adds it, and the model goes on.
          const running = yield* OpenCodeHost
          const { client, directory } = running
          const context = (sessionId: string, text: string) =>
            post(`/session/${sessionId}/message`, { noReply: true, parts: [{ type: "text", text }] }).pipe(
              Effect.provideService(OpenCodeHost, running)
            )
          const flags = Effect.fnUntraced(function* (sessionId: string) {
            const turns = yield* Stream.runCollect(recordedTurns(client, sessionId, { pageSize: 1 }))
            return turns.toReversed().map((turn) => [promptText(turn), turn.messages.length, turn.takenOver])
          })
          yield* script(({ prompt }) => Reply.text(`answer to ${prompt}`))
          const between = yield* newSession
          yield* run(between, "one")
          yield* context(between, "first context")
          yield* context(between, "second context")
          assert.deepStrictEqual((yield* flags(between)).slice(1), [
            ["first context", 0, false],
            ["second context", 0, false]
          ])
          const two = yield* run(between, "two")
          assert.deepStrictEqual([two.end.outcome, two.text], ["completed", "answer to two"])
          assert.deepStrictEqual(yield* flags(between), [
            ["one", 1, false],
            ["first context", 0, true],
            ["second context", 0, true],
            ["two", 1, false]
          ])
          const inside = yield* newSession
          const gate = join(directory, "context-is-stored")
          const command = `until [ -e ${gate} ]; do sleep 0.05; done`
          yield* script(({ count }) =>
            count === 1 ? Reply.toolCall("bash", { command, description: "Waits" }) : Reply.text("the rest")
          )
          const { end } = yield* run(inside, "use the tool", (event) =>
            event._tag === "ToolUpdated" && event.part.state.status === "running"
              ? Effect.andThen(
                  context(inside, "from a tool"),
                  Effect.sync(() => writeFileSync(gate, ""))
                )
              : Effect.void
          )
          assert.deepStrictEqual([end.outcome, end.takenOver], ["completed", true])
          yield* Effect.repeat(flags(inside), {
            until: (found) =>
              JSON.stringify(found) ===
              JSON.stringify([
                ["use the tool", 1, true],
                ["from a tool", 1, false]
              ]),
            schedule: Schedule.spaced("50 millis")
          })
        })
    )

    it.effect("runs for a command, a shell command and a compaction of a person's is read as what the person did", () =>
      Effect.gen(function* () {
        yield* script(({ prompt }) => (prompt === "SUMMARY" ? summary : Reply.text(`answer to ${prompt.slice(0, 20)}`)))
        const sessionId = yield* newSession
        yield* run(sessionId, "first")
        yield* post(`/session/${sessionId}/command`, { command: "sub", arguments: "this" })
        yield* post(`/session/${sessionId}/shell`, { agent: "build", command: "echo by hand" })
        yield* post(`/session/${sessionId}/summarize`, { providerID: "scripted", modelID: "echo" })
        yield* run(sessionId, "last")
        const turns = (yield* turnsIn(sessionId)).map(({ kind, prompt, said }) => [kind, prompt, ...said])
        assert.deepStrictEqual(turns, [
          ["prompt", "first", "answer to first"],
          ["prompt", "/sub\nlook at this", "answer to Summarize the task t"],
          ["shell", "!echo by hand"],
          ["compaction", "/compact"],
          ["prompt", "last", "answer to last"]
        ])
        yield* post(`/session/${sessionId}/fork`, {})
        const { client } = yield* OpenCodeHost
        const fork = (yield* client.sessions.list()).find(({ title }) => title.endsWith("(fork #1)"))
        const copied = (yield* turnsIn(fork?.id ?? "")).map(({ kind, prompt, said }) => [kind, prompt, ...said])
        assert.deepStrictEqual(copied, turns)
      })
    )
  }
)
