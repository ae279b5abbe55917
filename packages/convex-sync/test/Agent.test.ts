/** The scripted agent fulfils the contract of the port. `apps/worker` runs the same checks over the real OpenCode. */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { RequestCard } from "../src/index.ts"
import { agentConformance, ScriptedAgent } from "../src/testing/index.ts"

const card: RequestCard = {
  askedBy: [{ agent: "build", task: null }],
  directory: "/work",
  subject: "bash: ls",
  always: null,
  content: { kind: "permission", permission: "bash", sections: [{ name: "command", format: "command", text: "ls" }] }
}

const harness = () => ({
  ...ScriptedAgent.make({
    script: ({ text }) =>
      text === "hang"
        ? [{ say: "so far" }, { wait: Effect.never }]
        : text === "ask"
          ? [{ ask: card }, { say: "done" }]
          : [{ say: text }]
  }),
  echo: (text: string) => text,
  hang: "hang",
  ask: "ask"
})

describe("the scripted agent", () => {
  for (const { check, title } of agentConformance) it.live(title, () => check(harness()))
})
