import { assert, describe, it, layer } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Effect, Schema } from "effect"
import { childSessionId, contextTokens, OpenCodeHost, type TurnEvent } from "../src/index.ts"
import { addedTo, reported } from "../src/internal/turn/liveTools.ts"
import { endOf, layerHost, runPrompt } from "./support.ts"

/** As OpenCode 1.18 reports an output: the last 30,000 characters. */
const shortened = (output: string) => (output.length > 30_000 ? `...\n\n${output.slice(-30_000)}` : output)

describe("the output that a tool added", () => {
  const Sizes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 400 })))

  it.prop("joins to the output, as OpenCode cuts its beginning", [Sizes], ([sizes]) => {
    let output = ""
    let shown = ""
    let before = reported("")
    for (const size of [...sizes, 3, 900, ...sizes]) {
      for (let line = 0; line < size; line++) output += `${output.length} of it\n`
      const now = shortened(output)
      shown += addedTo(before, now)
      before = reported(now)
    }
    // More than 4,096 characters at once leave a mark, and never a wrong text.
    for (const piece of shown.split("…\n")) assert.include(output, piece)
    assert.isTrue(output.endsWith(shown.split("…\n").at(-1) ?? ""))
  })

  it("is known exactly while it is short, and of repeated text at least the end", () => {
    assert.strictEqual(addedTo(reported(""), "a\n"), "a\n")
    assert.strictEqual(addedTo(reported("a\n"), "a\na\n"), "a\n")
    const long = "x\n".repeat(20_000)
    assert.strictEqual(addedTo(reported(shortened(long)), shortened(`${long}y\n`)), "y\n")
    assert.strictEqual(addedTo(reported("z".repeat(30_000)), shortened(long)), `…\n${long.slice(-4_096)}`)
  })
})

const bash = (command: string) => Reply.toolCall("bash", { command, description: "run" })
const todos = [{ content: "Look", status: "in_progress", priority: "high" }]

const host = layerHost(
  ({ prompt, results }) => {
    const [word = "", ...rest] = prompt.split(" ")
    if (results > 0) return Reply.withUsage(Reply.text("Done."), { promptTokens: 70, completionTokens: 7 })
    if (word === "bash") return bash(rest.join(" "))
    if (word === "list") return Reply.toolCall("todowrite", { todos })
    return Reply.toolCall("task", { description: "do it", prompt: rest.join(" "), subagent_type: "general" })
  },
  { permission: { bash: "allow" } }
)

const indexOf = (events: ReadonlyArray<TurnEvent>, holds: (event: TurnEvent) => boolean) => events.findIndex(holds)

layer(host, { timeout: "120 seconds", excludeTestServices: true })("a turn", (hosted) => {
  hosted.effect("shows the output of a tool while it runs, once and in order", () =>
    Effect.gen(function* () {
      const lines = Array.from({ length: 5 }, (_, index) => `line ${index + 1}\n`).join("")
      const events = yield* runPrompt("bash for i in 1 2 3 4 5; do echo line $i; sleep 0.2; done")
      const texts = events.flatMap((event) => (event._tag === "ToolOutput" ? [event.text] : []))
      assert.isAbove(texts.length, 1)
      assert.isTrue(lines.startsWith(texts.join("")))
      const ended = indexOf(events, (event) => event._tag === "ToolUpdated" && event.part.state.status === "completed")
      assert.isBelow(
        events.findLastIndex(({ _tag }) => _tag === "ToolOutput"),
        ended
      )
      assert.isAtLeast(contextTokens(endOf(events).messages) ?? 0, 77)
    })
  )

  hosted.effect("shows a sub-agent when it starts, what it does, and when it ends", () =>
    Effect.gen(function* () {
      const { client } = yield* OpenCodeHost
      const events = yield* runPrompt("delegate bash echo hi")
      const calls = events.flatMap((event) => (event._tag === "ToolUpdated" ? [event.part] : []))
      const child = calls.map(childSessionId).find((id) => id !== undefined)
      assert.isDefined(child)
      assert.strictEqual(calls.find((part) => childSessionId(part) === child)?.state.status, "running")
      assert.strictEqual((yield* client.sessions.get(child ?? "")).parentID, endOf(events).messages[0]?.info.sessionID)
      const work = events.flatMap((event) => (event._tag === "SubAgentUpdated" ? [event] : []))
      assert.isNotEmpty(work)
      for (const { partId, sessionId, tools } of work) {
        assert.deepStrictEqual([partId, sessionId, tools], [calls[0]?.id, child, 1])
      }
      assert.match(work.at(-1)?.current ?? "", /^bash/)
      assert.isEmpty(events.filter(({ _tag }) => _tag === "ToolOutput"))
    })
  )

  hosted.effect("shows the agent's list", () =>
    Effect.gen(function* () {
      const events = yield* runPrompt("list")
      assert.deepStrictEqual(
        events.flatMap((event) => (event._tag === "TodosUpdated" ? [event.todos] : [])),
        [todos]
      )
    })
  )
})
