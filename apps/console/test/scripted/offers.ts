/** The models, agents, files and sub-agents of a scripted deployment. */
import { tool } from "./rows.ts"

export const catalogOfModels = {
  hash: "1",
  default: null,
  models: JSON.stringify([
    {
      id: "anthropic/claude-sonnet-4-5",
      providerID: "anthropic",
      modelID: "claude-sonnet-4-5",
      name: "Claude Sonnet 4.5",
      limit: { context: 200_000 },
      variants: ["low", "high"]
    },
    { id: "openai/gpt-5", providerID: "openai", modelID: "gpt-5", name: "GPT-5", limit: { context: 400_000 } }
  ])
}

/** Files of a prompt: a picture, and one that would run scripts if it was shown. */
export const attachedAt = (origin: string) => [
  {
    storageId: "file1",
    name: "receipt.png",
    type: "image/png",
    size: 68,
    origin: "operator",
    url: `${origin}/icon-192.png`
  },
  {
    storageId: "file2",
    name: "cart.svg",
    type: "image/svg+xml",
    size: 1_240,
    origin: "operator",
    url: `${origin}/icon.svg`
  }
]

/** Of an answer. */
export const returnedAt = (origin: string) => [
  {
    storageId: "file3",
    name: "file.png",
    type: "image/png",
    size: 4_312,
    origin: "agent",
    url: `${origin}/icon-192.png`
  }
]

export const catalogOfNames = {
  agents: [
    { name: "build", mode: "primary", description: "Does the work" },
    { name: "plan", mode: "primary", description: "Changes no files" },
    { name: "explore", mode: "subagent" }
  ],
  commands: [
    { name: "init", description: "Create or update AGENTS.md", source: "command" },
    { name: "review", description: "Review the changes of a branch, a commit or a pull request", source: "command" },
    { name: "release-notes", description: "Write the notes of a release", source: "skill" }
  ],
  skills: []
}

export const transcript = {
  truncated: false,
  turns: [
    {
      text: "How are taxes rounded?",
      status: "completed",
      error: null,
      usage: { input: 1, output: 1, cost: 0 },
      answeredBy: null,
      parts: [
        { index: 0, kind: "step-start", payload: JSON.stringify({ id: "r1", type: "step-start" }) },
        { index: 1, kind: "tool", payload: JSON.stringify(tool("c1", "read", "docs/tax.md", "per line", 40).payload) },
        { index: 2, kind: "text", payload: JSON.stringify({ text: "Taxes are rounded **per line**." }) }
      ]
    }
  ]
}
