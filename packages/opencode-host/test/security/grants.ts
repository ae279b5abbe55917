/** A user and a project that allow commands, each in its own way. */
import { assert } from "@effect/vitest"
import { Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Stream } from "effect"
import { OpenCodeHost, type TurnEvent } from "../../src/index.ts"
import { isPermission, newSession, promptOf } from "../support.ts"
import type { InAskingWorld } from "./askingHost.ts"

/** Calls the shell with the prompt; `task: …` lets a sub-agent do it. */
const model: Script = ({ lastUserText, toolResults }) => {
  if (toolResults.length > 0) return Reply.text("done")
  const [, task] = /^task: (.*)$/.exec(lastUserText) ?? []
  return task === undefined
    ? Reply.toolCall("bash", { command: lastUserText, description: "the prompt" })
    : Reply.toolCall("task", { description: "it", prompt: task, subagent_type: "general" })
}

/** The outcome of a prompt: the patterns of its requests, each rejected, and the states of its commands. */
const outcome = Effect.fnUntraced(function* (text: string, agent?: string) {
  const { reply, turn } = yield* OpenCodeHost
  const input = { ...(yield* promptOf(yield* newSession, text)), agent }
  const asked: Array<string> = []
  const commands = new Map<string, string>()
  yield* turn(input).pipe(
    Stream.runForEach((event: TurnEvent) => {
      if (event._tag === "ToolUpdated" && event.part.tool === "bash") {
        commands.set(event.part.id, event.part.state.status)
      }
      if (!isPermission(event)) return Effect.void
      asked.push(...event.request.patterns)
      return reply(event.request, { type: "reject", message: "not now" })
    })
  )
  return { asked, commands: [...commands.values()] }
})

/** They change the model. */
export const grantsTests = (it: InAskingWorld) => {
  it.effect(
    "commands are asked where a user, a project, an agent or a sub-agent allows, and denied ones stay denied",
    () =>
      Effect.gen(function* () {
        yield* ScriptedProvider.use(({ setScript }) => setScript(model))
        const { client } = yield* OpenCodeHost
        assert.strictEqual((yield* client.models).default, "scripted/echo")
        assert.deepStrictEqual((yield* outcome("echo one")).asked, ["echo one"])
        assert.deepStrictEqual((yield* outcome("echo two", "eager")).asked, ["echo two"])
        assert.deepStrictEqual((yield* outcome("task: echo three")).asked, ["echo three"])
        assert.deepStrictEqual(yield* outcome("chmod 700 it"), { asked: [], commands: ["error"] })
        assert.deepStrictEqual(yield* outcome("chmod 700 it", "eager"), { asked: [], commands: ["error"] })
      })
  )
}
