import { assert, describe, it } from "@effect/vitest"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Layer, Stream } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { OpenCodeHost, type OpenCodeHostOptions, type TurnEvent } from "../src/index.ts"
import { isPermission, newSession, promptOf } from "./support.ts"

/** Calls the shell with the prompt; `task: …` lets a sub-agent do it. */
const model = ScriptedProvider.layer(({ lastUserText, toolResults }) => {
  if (toolResults.length > 0) return Reply.text("done")
  const [, task] = /^task: (.*)$/.exec(lastUserText) ?? []
  return task === undefined
    ? Reply.toolCall("bash", { command: lastUserText, description: "the prompt" })
    : Reply.toolCall("task", { description: "it", prompt: task, subagent_type: "general" })
})

/** A user and a project that allow everything, each in its own way. */
const permissive = {
  permission: { bash: { "*": "allow", "touch *": "deny" } },
  agent: { eager: { mode: "primary", permission: { "*": "allow" } }, general: { permission: { bash: "allow" } } }
}
const project = { permission: { bash: { "echo *": "allow" } } }

const hostOf = (options: Partial<OpenCodeHostOptions>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { config } = yield* ScriptedProvider
      const { directory, environment, root } = yield* OpenCodeHome.make({
        config: { ...config, snapshot: false, ...permissive }
      })
      writeFileSync(join(directory, "opencode.json"), JSON.stringify(project))
      return OpenCodeHost.layer({ directory, environment, stateDirectory: join(root, "state"), ...options })
    })
  ).pipe(Layer.provide(model))

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

describe("alwaysAsk", () => {
  it.live(
    "asks where a user, a project, an agent or a sub-agent allows, and leaves denied what is denied",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        assert.strictEqual((yield* client.models).default, "scripted/echo")
        assert.deepStrictEqual((yield* outcome("echo one")).asked, ["echo one"])
        assert.deepStrictEqual((yield* outcome("echo two", "eager")).asked, ["echo two"])
        assert.deepStrictEqual((yield* outcome("task: echo three")).asked, ["echo three"])
        assert.deepStrictEqual(yield* outcome("touch it"), { asked: [], commands: ["error"] })
        assert.deepStrictEqual(yield* outcome("touch it", "eager"), { asked: [], commands: ["error"] })
      }).pipe(Effect.provide(hostOf({ alwaysAsk: true }))),
    120_000
  )

  it.live("is refused with attach, whose server has its own configuration", () =>
    Effect.gen(function* () {
      const { message, reason } = yield* Effect.flip(OpenCodeHost.use(({ server }) => server))
      assert.strictEqual(reason._tag, "Unsupported")
      assert.include(message, "does not support alwaysAsk with attach. Leave alwaysAsk out")
    }).pipe(Effect.provide(hostOf({ alwaysAsk: true, attach: { url: "http://127.0.0.1:9", password: "x" } })))
  )
})
