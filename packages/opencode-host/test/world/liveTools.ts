import { assert } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Effect } from "effect"
import { childSessionId, contextTokens, OpenCodeHost, type TurnEvent } from "../../src/index.ts"
import { type Asked, endOf, runPrompt } from "../support.ts"
import { inWorld } from "./inWorld.ts"

const bash = (command: string) => Reply.toolCall("bash", { command, description: "run" })
const todos = [{ content: "Look", status: "in_progress", priority: "high" }]

const model = ({ prompt, results }: Asked) => {
  const [word = "", ...rest] = prompt.split(" ")
  if (results > 0) return Reply.withUsage(Reply.text("Done."), { promptTokens: 70, completionTokens: 7 })
  if (word === "bash") return bash(rest.join(" "))
  if (word === "list") return Reply.toolCall("todowrite", { todos })
  return Reply.toolCall("task", { description: "do it", prompt: rest.join(" "), subagent_type: "general" })
}

const indexOf = (events: ReadonlyArray<TurnEvent>, holds: (event: TurnEvent) => boolean) => events.findIndex(holds)

export const liveToolsTests = inWorld("a turn with tools", model, (it) => {
  it.effect("shows the output of a tool while it runs, once and in order", () =>
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

  it.effect("shows a sub-agent when it starts, what it does, and when it ends", () =>
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

  it.effect("shows the agent's list", () =>
    Effect.gen(function* () {
      const events = yield* runPrompt("list")
      assert.deepStrictEqual(
        events.flatMap((event) => (event._tag === "TodosUpdated" ? [event.todos] : [])),
        [todos]
      )
    })
  )
})
