/** A prompt that is sent into a running turn. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { OpenCodeHost, recordedTurn, recordedTurns, type TurnEvent, usageOf } from "../../src/index.ts"
import { type Asked, endOf, isPermission, newSession, promptOf, tags, textOf } from "../support.ts"
import { inWorld } from "./inWorld.ts"

const model = ({ prompt, results }: Asked) => {
  const [word = "", ...rest] = prompt.split(" ")
  if (word === "write") return Reply.text("word ".repeat(60), { every: "20 millis" })
  if (word === "fetch" && results === 0) {
    return Reply.toolCall("webfetch", { url: `http://127.0.0.1:9/${rest.join("")}`, format: "text" })
  }
  if (word !== "bash" || results > 0) return Reply.text(`answer to ${prompt}`)
  return Reply.toolCall("bash", { command: rest.join(" "), description: "run" })
}

const isToolRunning = (event: TurnEvent) => event._tag === "ToolUpdated" && event.part.state.status === "running"
const isText = (event: TurnEvent) => event._tag === "TextDelta"

/** A prompt for a tool that runs until `open`. */
const gated = Effect.gen(function* () {
  const { directory } = yield* OpenCodeHost
  const gate = join(directory, `gate-${crypto.randomUUID()}`)
  return {
    prompt: `bash until [ -e ${gate} ]; do sleep 0.05; done; echo one`,
    open: Effect.sync(() => writeFileSync(gate, ""))
  }
})

/** Runs `text` in a new session, and further prompts that steer it, each as soon as the one before is under way. Requests are answered afterwards. */
const steered = Effect.fnUntraced(function* (
  text: string,
  isUnderWay: (event: TurnEvent) => boolean,
  steers: ReadonlyArray<string>
) {
  const { reply, turn } = yield* OpenCodeHost
  const sessionId = yield* newSession
  const allDelivered = yield* Deferred.make<void>()
  const prompts = yield* Effect.forEach([text, ...steers], (each) => promptOf(sessionId, each))
  const fibers: Array<Fiber.Fiber<ReadonlyArray<TurnEvent>, unknown>> = []
  for (const [index, prompt] of prompts.entries()) {
    const underWay = yield* Deferred.make<void>()
    const matches = index === 0 ? isUnderWay : ({ _tag }: TurnEvent) => _tag === "Delivered"
    const run = turn({ ...prompt, steer: index > 0 }).pipe(
      Stream.tap((event) => (matches(event) ? Deferred.succeed(underWay, undefined) : Effect.void)),
      Stream.tap((event) =>
        isPermission(event)
          ? Effect.forkChild(Effect.andThen(Deferred.await(allDelivered), reply(event.request, { type: "once" })))
          : Effect.void
      ),
      Stream.runCollect
    )
    fibers.push(yield* Effect.forkChild(run))
    yield* Deferred.await(underWay)
  }
  yield* Deferred.succeed(allDelivered, undefined)
  return { sessionId, prompts, ends: Effect.forEach(fibers, Fiber.join) }
})

/** The user texts of each request to the model for this session's prompts. */
const requestsWith = (text: string) =>
  Effect.map(
    ScriptedProvider.use(({ requests }) => requests),
    (requests) => requests.filter(({ prompts }) => prompts.some((prompt) => prompt.includes(text)))
  )

const tokens = (usage: { readonly input: number; readonly output: number } | undefined) => [
  usage?.input ?? 0,
  usage?.output ?? 0
]

export const steerTests = inWorld("a prompt that steers", model, (it) => {
  it.effect("ends the running turn with what it had, and takes over after its tool", () =>
    Effect.gen(function* () {
      const { client } = yield* OpenCodeHost
      const { open, prompt } = yield* gated
      const { ends, prompts, sessionId } = yield* steered(prompt, isToolRunning, ["rather this"])
      yield* open
      const [first, second] = (yield* ends).map(endOf)
      assert.deepStrictEqual([first?.outcome, first?.takenOver], ["completed", true])
      assert.deepStrictEqual([second?.outcome, second?.takenOver], ["completed", false])
      const [tool] = first?.messages.flatMap(({ parts }) => parts.filter((part) => part.type === "tool")) ?? []
      assert.strictEqual(tool?.state.status === "completed" ? tool.state.output.trim() : "", "one")
      assert.deepStrictEqual(
        second?.messages.map(({ info }) => info.parentID),
        [prompts[1]?.messageId]
      )
      const { messages } = yield* client.messages.list(sessionId)
      const answers = messages.flatMap((message) => (message.info.role === "assistant" ? [message.info] : []))
      const [input, output] = tokens(first?.usage).map((count, index) => count + (tokens(second?.usage)[index] ?? 0))
      const all = answers.map(({ tokens: counted }) => counted)
      assert.deepStrictEqual(
        [input, output],
        [all.reduce((sum, each) => sum + each.input, 0), all.reduce((sum, each) => sum + each.output, 0)]
      )
      assert.strictEqual((yield* requestsWith("rather this")).length, 1)
      // The record shows the same, without the events.
      const [old, next] = yield* Effect.forEach(prompts, ({ messageId }) =>
        recordedTurn(client, { sessionId, messageId })
      )
      assert.deepStrictEqual([old?.takenOver, next?.takenOver], [true, false])
      assert.deepStrictEqual(usageOf(old?.messages ?? []), first?.usage)
      const listed = yield* Stream.runCollect(recordedTurns(client, sessionId, { pageSize: 1 }))
      assert.deepStrictEqual(
        listed.map(({ takenOver }) => takenOver),
        [false, true]
      )
    })
  )

  it.effect("is answered after the text that the model writes", () =>
    Effect.gen(function* () {
      const { ends } = yield* steered("write", isText, ["and then?"])
      const [first = [], second = []] = yield* ends
      assert.deepStrictEqual([endOf(first).outcome, endOf(second).outcome], ["completed", "completed"])
      assert.strictEqual(textOf(first).trim().split(" ").length, 60)
      assert.strictEqual(textOf(second), "answer to and then?")
    })
  )

  it.effect("shares the answer with one that follows it at once, which has it", () =>
    Effect.gen(function* () {
      const { open, prompt } = yield* gated
      const { ends } = yield* steered(prompt, isToolRunning, ["second", "third"])
      yield* open
      const all = (yield* ends).map(endOf)
      assert.deepStrictEqual(
        all.map(({ outcome, messages, takenOver }) => [outcome, messages.length, takenOver]),
        [
          ["completed", 1, true],
          ["completed", 0, true],
          ["completed", 1, false]
        ]
      )
    })
  )

  it.effect("ends with the turn that it steers at an abort", () =>
    Effect.gen(function* () {
      const { abort, turn } = yield* OpenCodeHost
      const { ends, sessionId } = yield* steered("bash sleep 600", isToolRunning, ["never answered"])
      yield* abort(sessionId)
      assert.deepStrictEqual(
        (yield* ends).map((events) => endOf(events).outcome),
        ["aborted", "aborted"]
      )
      assert.deepStrictEqual(yield* requestsWith("never answered"), [])
      const next = yield* Stream.runCollect(turn(yield* promptOf(sessionId, "next")))
      assert.strictEqual(endOf(next).outcome, "completed")
    })
  )

  it.effect("leaves the requests of the turn that it steers to that turn, and has those after it", () =>
    Effect.gen(function* () {
      const { ends } = yield* steered("fetch one", isPermission, ["fetch two"])
      const [first = [], second = []] = yield* ends
      assert.strictEqual(first.filter(isPermission).length, 1)
      assert.strictEqual(second.filter(isPermission).length, 1)
      assert.deepStrictEqual([endOf(first).outcome, endOf(second).outcome], ["completed", "completed"])
    })
  )

  it.effect("runs as any other prompt if nothing runs", () =>
    Effect.gen(function* () {
      const { turn } = yield* OpenCodeHost
      const prompt = yield* promptOf(yield* newSession, "hello")
      const events = yield* Stream.runCollect(turn({ ...prompt, steer: true }))
      assert.strictEqual(textOf(events), "answer to hello")
      assert.strictEqual(tags(events).filter((tag) => tag === "Ended").length, 1)
    })
  )
})
