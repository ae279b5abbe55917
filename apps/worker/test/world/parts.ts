import { join } from "node:path"
import { assert } from "@effect/vitest"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Latch, Stream } from "effect"
import type { TurnView } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { answer, limit, newSession, runWorker, script, send } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

const isRunning = (block: TurnView.Block) => block.kind === "agent" && block.state === "running"

export const partsTests = inWorld("the parts of an answer", (it) => {
  it.effect(
    "are separate, with their cost, and come from the requested model and agent",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const operator = yield* Client
        const provider = yield* ScriptedProvider
        const sessionId = yield* newSession
        yield* runWorker
        const usage = { promptTokens: 1_000, completionTokens: 10 }
        yield* script((request) =>
          Reply.withUsage(
            request.toolResults.length === 0
              ? Reply.sequence([
                  Reply.reasoning("hm"),
                  Reply.text("Let me see."),
                  Reply.toolCall("bash", { command: "echo here", description: "looks" })
                ])
              : Reply.text("That is all."),
            usage
          )
        )
        const turnId = yield* operator.call(({ turns }) =>
          turns.send(sessionId, "look", { model: "scripted/other", agent: "plan" })
        )
        assert.deepInclude(yield* answer(turnId), { status: "completed", text: "Let me see.\nThat is all." })
        const parts = yield* operator.call(({ turns }) => turns.parts(turnId))
        assert.deepStrictEqual(
          parts.map(({ kind }) => kind),
          ["step-start", "reasoning", "text", "tool", "step-finish", "step-start", "text", "step-finish"]
        )
        const [tool] = parts.filter(({ kind }) => kind === "tool").map(({ payload }) => JSON.parse(payload))
        assert.deepInclude(tool, { tool: "bash" })
        assert.deepInclude(tool.state, { status: "completed", output: "here\n" })
        const all = yield* operator.stream(({ turns }) => turns.list(sessionId)).pipe(Stream.runCollect)
        assert.deepInclude(all[0], { model: "scripted/other", agent: "plan" })
        assert.deepInclude(all[0]?.usage, { input: 2_000, output: 20 })
        assert.isNumber(all[0]?.usage?.cost)
        const asked = (yield* provider.requests).filter(({ kind }) => kind === "chat").slice(-2)
        assert.deepStrictEqual(new Set(asked.map(({ model }) => model)), new Set(["other"]))
        const [session] = (yield* client.sessions.list()).filter(
          ({ metadata }) => metadata?.["opencodeWorkerSession"] === sessionId
        )
        const { messages } = yield* client.messages.list(session?.id ?? "")
        assert.deepInclude(messages[0]?.info, { role: "user", agent: "plan" })
      }),
    limit
  )

  it.effect(
    "are shown while they run: the list, the output of a command, a sub-agent",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        const todos = [{ content: "Look", status: "pending", priority: "high" }]
        const calls = [
          Reply.toolCall("todowrite", { todos }),
          Reply.toolCall("bash", {
            command: "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.4; done",
            description: "d"
          }),
          Reply.toolCall("task", { description: "find it", prompt: "look around", subagent_type: "general" })
        ]
        /** Opens when the operator has received the running sub-agent. */
        const seen = yield* Latch.make()
        yield* script(({ lastUserText, toolResults }) =>
          lastUserText === "look around"
            ? Reply.sequence([Reply.wait(seen.await), Reply.text("Found.")])
            : (calls[toolResults.length] ?? Reply.text("Done."))
        )
        const turnId = yield* send(sessionId, "go")
        const views = yield* operator
          .stream(({ turns }) => turns.follow(turnId))
          .pipe(
            Stream.tap(({ blocks: shown }) => (shown.some(isRunning) ? seen.open : Effect.void)),
            Stream.runCollect
          )
        const blocks = views.filter(({ end }) => end === null).flatMap((view) => view.blocks)
        const outputs = blocks.flatMap((block) =>
          block.kind === "tool" && block.tool === "bash" && block.state === "running" ? [block.output] : []
        )
        const grown = new Set(outputs.filter((output) => output !== ""))
        assert.isAbove(grown.size, 1)
        for (const output of grown) assert.isTrue("line 1\nline 2\nline 3\nline 4\nline 5\nline 6\n".startsWith(output))
        assert.isTrue(blocks.some(isRunning))
        assert.isTrue(blocks.some((block) => block.kind === "todos"))
        const ended = views.at(-1)?.blocks ?? []
        const child = ended.find((block) => block.kind === "agent")
        assert.deepInclude(child, { agent: "general", task: "find it", state: "completed" })
        assert.include(child?.output, "Found.")
        assert.isNumber(child?.duration)
        assert.deepInclude(
          ended.find((block) => block.kind === "todos"),
          { todos }
        )
        const session = yield* operator.call(({ sessions }) => sessions.get(sessionId))
        assert.deepStrictEqual(session?.todos, todos)
        assert.isAbove(session?.context?.tokens ?? 0, 0)
        const outline = yield* Stream.runCollect(operator.stream(({ turns }) => turns.outline(turnId)))
        assert.deepStrictEqual(
          outline.flatMap(({ child: id, kind, tool }) => (kind === "tool" ? [[tool, id]] : [])),
          [
            ["todowrite", undefined],
            ["bash", undefined],
            ["task", child?.sessionId]
          ]
        )
      }),
    limit
  )

  it.effect(
    "name the files that a step has changed",
    () =>
      Effect.gen(function* () {
        const { directory } = yield* OpenCodeHome
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        const filePath = join(directory, "made.txt")
        yield* script(({ toolResults }) =>
          toolResults.length === 0 ? Reply.toolCall("write", { filePath, content: "made" }) : Reply.text("Done.")
        )
        const turnId = yield* send(sessionId, "make it")
        assert.deepInclude(yield* answer(turnId), { status: "completed", text: "Done." })
        const parts = yield* operator.call(({ turns }) => turns.parts(turnId))
        const patches = parts.filter(({ kind }) => kind === "patch").map(({ payload }) => JSON.parse(payload))
        assert.deepStrictEqual(
          patches.map(({ files }) => files),
          [[filePath]]
        )
      }),
    limit
  )

  it.effect(
    "of several megabytes are stored completely",
    () =>
      Effect.gen(function* () {
        const sessionId = yield* newSession
        yield* runWorker
        const long = Array.from({ length: 220_000 }, (_, index) => `word ${index}`).join("\n")
        assert.isAbove(long.length, 2_500_000)
        yield* script(() =>
          Reply.withUsage(Reply.text(long, { chunks: 100 }), { promptTokens: 10, completionTokens: 10 })
        )
        const { status, text } = yield* answer(yield* send(sessionId, "write a book"))
        assert.strictEqual(status, "completed")
        assert.isTrue(text === long, `${text.length} of ${long.length} characters`)
      }),
    limit
  )
})
