/** The budget of a turn and the notices of its end, from messages as OpenCode reports them. Without an OpenCode. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { AssistantWithParts, OpenCodeAssistantMessage, OpenCodeClient, OpenCodeEvent } from "../src/index.ts"
import { budgetTracker } from "../src/internal/turn/budget.ts"
import { compacted, endNotices } from "../src/TurnNotice.ts"

const tokens = { input: 10, output: 5, reasoning: 0, cache: { read: 1_000, write: 5 } }

/** A step of the model that calls a tool, so that the turn goes on. It costs a cent and 20 tokens. */
const step = (id: string, info: Partial<OpenCodeAssistantMessage> = {}): OpenCodeAssistantMessage => ({
  id,
  sessionID: "own",
  role: "assistant",
  parentID: "msg_1",
  time: { created: 100, completed: 101 },
  modelID: "echo",
  providerID: "scripted",
  mode: "build",
  agent: "build",
  path: { cwd: "/", root: "/" },
  cost: 0.01,
  tokens,
  finish: "tool-calls",
  ...info
})

const updated = (info: OpenCodeAssistantMessage): OpenCodeEvent => ({
  id: "evt_1",
  type: "message.updated",
  properties: { sessionID: info.sessionID, info }
})

const prompt = { sessionId: "own", messageId: "msg_1", partId: "prt_1", text: "Hello" }
// Events need no client.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
const client = {} as OpenCodeClient
const tree = { includes: (id: string) => Effect.succeed(id !== "other") }
const tracker = (budget: { readonly cost?: number; readonly tokens?: number } | undefined) =>
  budgetTracker(client, prompt, budget, tree, 50)
const read = (budget: Parameters<typeof tracker>[0], ...steps: ReadonlyArray<OpenCodeAssistantMessage>) =>
  Effect.runPromise(Effect.map(Effect.forEach(steps.map(updated), tracker(budget).read), (reasons) => reasons.at(-1)))

describe("the budget of a turn", () => {
  it("is exceeded by the step that leads beyond it, sub-agents included, without reads of the cache", async () => {
    const [first, second] = [step("a"), step("b", { sessionID: "sub-agent" })]
    assert.isUndefined(await read({ tokens: 40, cost: 0.02 }, first, second))
    const reason = "The turn has used 40 tokens, and its budget is 39 tokens"
    assert.strictEqual(await read({ tokens: 39 }, first, second), reason)
    const cost = "The turn has cost 0.0200 USD, and its budget is 0.015 USD"
    assert.strictEqual(await read({ cost: 0.015, tokens: 39 }, first, second), cost)
  })

  it("counts a message once, with its last values", async () => {
    assert.isUndefined(await read({ tokens: 20 }, step("a"), step("a"), step("a")))
    const grown = step("a", { tokens: { ...tokens, reasoning: 1 } })
    assert.include(await read({ tokens: 20 }, step("a"), grown), "21 tokens")
  })

  it("ignores earlier turns, other sessions, and the last step, which ends the turn anyway", async () => {
    const earlier = step("a", { time: { created: 49 } })
    assert.isUndefined(await read({ tokens: 1 }, earlier, step("b", { sessionID: "other" })))
    assert.isUndefined(await read({ tokens: 1 }, step("a", { finish: "stop" })))
    // The last step of a sub-agent is not that of the turn.
    assert.isDefined(await read({ tokens: 1 }, step("a", { finish: "stop", sessionID: "sub-agent" })))
    assert.isUndefined(await read(undefined, step("a")))
    assert.isUndefined(await Effect.runPromise(tracker(undefined).reread))
  })
})

const answer = (text: string, info: Partial<OpenCodeAssistantMessage> = {}): AssistantWithParts => ({
  info: step("a", { finish: "stop", ...info }),
  parts: [{ id: "prt_2", sessionID: "own", messageID: "a", type: "text", text }]
})
const names = (...messages: ReadonlyArray<AssistantWithParts>) => endNotices(messages).map(({ name }) => name)

describe("the notices at the end of a turn", () => {
  it("report an answer that is cut off, or empty", () => {
    assert.deepStrictEqual(names(answer("Hello.")), [])
    assert.deepStrictEqual(names(answer("Hel", { finish: "length" })), ["OutputLimit"])
    assert.deepStrictEqual(names(answer(" \n")), ["EmptyAnswer"])
    assert.deepStrictEqual(names(), ["EmptyAnswer"])
  })

  it("do not count a summary as an answer", () => {
    assert.deepStrictEqual(names(answer("A summary.", { summary: true })), ["EmptyAnswer"])
    assert.deepStrictEqual(names(answer("Hello."), answer("A", { summary: true, finish: "length" })), [])
    assert.strictEqual(compacted.name, "Compacted")
  })
})
