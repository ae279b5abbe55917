/** The model's share of the harness: the prompt to which a request belongs. */
import type { ChatRequest } from "@opencode-worker/testkit"
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { makePlan, script } from "../src/Prompt.ts"

type Message = readonly [role: string, text: string]

const requestOf = (messages: ReadonlyArray<Message>): ChatRequest => {
  const prompts = messages.filter(([role]) => role === "user").map(([, text]) => text)
  return {
    kind: "chat",
    ordinal: 1,
    model: "model",
    stream: true,
    messages: messages.map(([role, text]) => ({ role, text })),
    prompts,
    lastUserText: prompts.at(-1) ?? "",
    images: [],
    toolNames: [],
    toolResults: []
  }
}

const textPlan = (id: string) => makePlan(id, "text", { followsCompaction: false, hasFile: false })

/** The prompts for which a request counts. */
const counts = async (...messages: ReadonlyArray<Message>) => {
  const ids = ["prompt-1", "prompt-2", "prompt-3"]
  const plans = await Effect.runPromise(Effect.forEach(ids, textPlan))
  script(new Map(plans.map((each) => [each.id, each])))(requestOf(messages))
  return plans.filter(({ requests }) => requests.size > 0).map(({ id }) => id)
}

describe("a request to the model", () => {
  it("belongs to the prompt of its last message, also after one that steered and has a higher number", async () => {
    const found = await counts(["user", "prompt-1"], ["user", "prompt-3"], ["user", "prompt-2"])
    assert.deepStrictEqual(found, ["prompt-2"])
  })

  it("without a prompt in its last message belongs to the newest prompt that it mentions", async () => {
    const summary = ["user", "Summarize <conversation> prompt-2 prompt-1 </conversation>"] as const
    assert.deepStrictEqual(await counts(["user", "prompt-1"], summary), ["prompt-2"])
    assert.deepStrictEqual(await counts(["assistant", "Summary of prompt-2"], ["user", "Continue"]), ["prompt-2"])
  })
})
