import { assert } from "@effect/vitest"
import type { SessionId } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { type ProviderConfig, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Stream } from "effect"
import { answer, ask, limit, newSession, runWorker, schedule, script, settled, workerWith } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

const limits = { context: 100_000, output: 4096 }

/** OpenCode's configuration with prices, a variant, an agent and a command. */
export const catalogued = (config: ProviderConfig): object => ({
  ...config,
  provider: {
    scripted: {
      ...config.provider["scripted"],
      models: {
        echo: {
          name: "echo",
          limit: limits,
          cost: { input: 1, output: 2, cache_read: 0.5 },
          variants: { high: { reasoningEffort: "high" } }
        },
        other: {
          name: "other",
          limit: limits,
          attachment: true,
          modalities: { input: ["text", "image"], output: ["text"] }
        }
      }
    }
  },
  agent: { poet: { mode: "primary", description: "Writes verse", prompt: "Write verse." } },
  command: { greet: { template: "Greet $ARGUMENTS", description: "Greets someone" } }
})

/** Waits until the worker has published. */
const published = <A>(read: Effect.Effect<A | null, unknown>) =>
  Effect.repeat(Effect.orDie(read), { until: (row) => row !== null, schedule })

export const catalogTests = inWorld("the catalogue of a worker", (it) => {
  it.effect(
    "has the models with context, price, kinds of files and variants, and the agents, commands and skills",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        yield* newSession
        const workerId = yield* runWorker
        const models = yield* published(operator.call(({ models: all }) => all.get(workerId)))
        const model = (wanted: string) => models?.models.find(({ id }) => id === wanted)
        assert.deepInclude(model("scripted/echo"), {
          limit: limits,
          cost: { input: 1, output: 2, cacheRead: 0.5, cacheWrite: 0 }
        })
        assert.deepStrictEqual(model("scripted/echo")?.variants, ["high"])
        assert.strictEqual(model("scripted/echo")?.capabilities?.input?.image, false)
        assert.strictEqual(model("scripted/other")?.capabilities?.input?.image, true)
        const catalog = yield* published(operator.call(({ catalog: all }) => all.get(workerId)))
        assert.deepInclude(catalog?.agents ?? [], { name: "poet", mode: "primary", description: "Writes verse" })
        assert.deepInclude(catalog?.commands ?? [], { name: "greet", description: "Greets someone", source: "command" })
        assert.isArray(catalog?.skills)
      }),
    limit
  )

  it.effect(
    "is checked before a prompt is sent, by the deployment and by the worker",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        const send = (session: SessionId, names: { agent?: string; model?: string; variant?: string }) =>
          operator.call(({ turns }) => turns.send(session, "hello", names))
        // The worker is offline: it checks these itself.
        const waiting = [
          [yield* send(sessionId, { agent: "poett" }), 'no agent "poett". It has build, plan, poet'],
          [yield* send(sessionId, { model: "scripted/echo", variant: "hig" }), 'no variant "hig". It has'],
          [yield* send(sessionId, { variant: "hig" }), 'scripted/echo has no variant "hig".']
        ] as const
        const workerId = yield* runWorker
        yield* published(operator.call(({ catalog }) => catalog.get(workerId)))
        for (const [turnId, message] of waiting) {
          const { error, status } = yield* answer(turnId)
          assert.strictEqual(status, "failed")
          assert.include(error, message)
        }
        const refused = yield* Effect.flip(send(sessionId, { agent: "poett" }))
        assert.include(refused.message, 'The worker has no agent "poett". It has build, plan, poet.')
        const wanted = yield* send(sessionId, { agent: "poet", model: "scripted/echo", variant: "high" })
        assert.deepInclude(yield* answer(wanted), { status: "completed", text: "1: hello" })
      }),
    limit
  )

  it.effect(
    "a command of OpenCode runs as a turn, once, and is refused with arguments that would run a shell",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const provider = yield* ScriptedProvider
        const sessionId = yield* newSession
        const run = (name: string, args: string, idempotencyKey: string) =>
          operator.call(({ turns }) => turns.command(sessionId, name, args, { idempotencyKey }))
        // The worker is offline: it checks the name itself.
        const unknown = yield* run("greett", "", "unknown")
        yield* runWorker
        assert.include((yield* answer(unknown)).error, 'no command "greett". It has')
        const { chats } = yield* provider.stats
        const turnId = yield* run("greet", "Ann and Bob", "greet")
        assert.deepInclude(yield* answer(turnId), { status: "completed", text: "1: Greet Ann and Bob" })
        assert.strictEqual(yield* run("greet", "Ann and Bob", "greet"), turnId)
        assert.strictEqual((yield* provider.stats).chats - chats, 1)
        const [, turn] = yield* Stream.runCollect(operator.stream(({ turns }) => turns.list(sessionId)))
        assert.deepInclude(turn, { turnId, command: "greet", head: "/greet Ann and Bob" })
        const hostile = yield* run("greet", "!`touch ran`", "hostile")
        assert.include((yield* answer(hostile)).error, "in a shell")
        assert.strictEqual((yield* ask(sessionId, "after")).text, "2: after")
      }),
    limit
  )

  it.effect(
    "the use and the transcript of a sub-agent are shown, and a turn ends when its budget is used up",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        yield* script(({ lastUserText, toolResults }) => {
          if (lastUserText === "inside") return Reply.text("The answer inside.")
          if (lastUserText !== "delegate" || toolResults.length > 1) return Reply.text("done")
          return Reply.toolCall("task", { description: "look", prompt: "inside", subagent_type: "general" })
        })
        const sessionId = yield* newSession
        const workerId = yield* runWorker
        const turnId = yield* operator.call(({ turns }) => turns.send(sessionId, "delegate"))
        const { blocks, end } = yield* operator.call(({ turns }) => turns.follow(turnId).result)
        const agents = blocks.filter((block) => block.kind === "agent")
        assert.lengthOf(agents, 2)
        const transcripts = yield* Effect.forEach(agents, (block) =>
          operator.call(({ queries }) => queries.subAgent(workerId, block.sessionId))
        )
        for (const { truncated, turns } of transcripts) {
          assert.isFalse(truncated)
          assert.lengthOf(turns, 1)
          assert.deepInclude(turns[0], { text: "inside", status: "completed" })
          assert.include(JSON.stringify(turns[0]?.blocks), "The answer inside.")
        }
        const inside = transcripts.flatMap(({ turns }) => turns).reduce((sum, { usage }) => sum + usage.cost, 0)
        assert.isAbove(inside, 0)
        const { client } = yield* OpenCodeHost
        const [root] = yield* client.sessions.list({ limit: 1 })
        const { messages } = yield* client.messages.list(root?.id ?? "")
        const own = messages.reduce((sum, { info }) => sum + (info.role === "assistant" ? info.cost : 0), 0)
        assert.closeTo(end.usage?.cost ?? 0, own + inside, 1e-9)
        const elsewhere = yield* Effect.flip(operator.call(({ queries }) => queries.subAgent(workerId, root?.id ?? "")))
        assert.include(elsewhere.message, "no sub-agent with this session")

        // The first sub-agent exceeds it.
        const limited = yield* operator.call(({ turns }) =>
          turns.send(sessionId, "delegate", { budget: { tokens: 10 } })
        )
        const stopped = yield* operator.call(({ turns }) => turns.follow(limited).result)
        assert.deepInclude(stopped.end, { outcome: "aborted" })
        assert.strictEqual(stopped.end.error?.name, "BudgetExceeded")
        assert.include(stopped.end.error?.message, "its budget is 10 tokens")
        yield* workerWith({ budget: { cost: 1e-9 } })
        const poor = yield* operator.call(({ turns }) => turns.send(sessionId, "delegate", { budget: { cost: 5 } }))
        const ended = yield* operator.call(({ turns }) => turns.follow(poor).result)
        assert.include(ended.end.error?.message, "its budget is 1e-9 USD")
        assert.strictEqual((yield* ask(sessionId, "after")).status, "completed")
      }),
    limit
  )

  it.effect(
    "a shell command of an operator is refused by default; a worker that allows it shows its output and its turn",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        const shell = (line: string) =>
          Effect.flatMap(
            operator.call(({ sessionActions }) => sessionActions.shell(sessionId, line)),
            settled
          )
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* runWorker
            yield* ask(sessionId, "hello")
            const refused = yield* shell("echo no")
            assert.strictEqual(refused?.status, "failed")
            assert.include(refused?.error, "--allow-shell")
          })
        )
        yield* workerWith({ allowShell: true, about: { version: "1.2.3", permissions: "careful" } })
        yield* operator
          .stream(({ workers }) => workers.watch())
          .pipe(
            Stream.filter((rows) => rows.some(({ info }) => info?.shell === true)),
            Stream.runHead
          )
        const done = yield* shell("echo one; echo two >&2")
        assert.deepInclude(done, { status: "done", error: null })
        assert.deepStrictEqual(JSON.parse(done?.result ?? ""), { output: "one\ntwo\n", truncated: false })
        const turns = yield* Stream.runCollect(operator.stream(({ turns: all }) => all.list(sessionId)))
        assert.deepStrictEqual(
          turns.map(({ head }) => head),
          ["hello", "!echo one; echo two >&2"]
        )
        // The model reads the output with the next prompt.
        yield* script(({ messages }) =>
          Reply.text(messages.some(({ text }) => text.includes("one\ntwo")) ? "read" : "not read")
        )
        assert.deepInclude(yield* ask(sessionId, "again"), { status: "completed", text: "read" })
      }),
    limit
  )
})
