/**
 * A request of the agent as a terminal or a page shows it, apart from layout and language: the agents, the content, the time
 * that is left, and the answers that are offered. Pure, without dependencies.
 */
import type { Answer, OpenRequest } from "./api.ts"

type Reach = Extract<Answer["type"], "once" | "turn" | "session" | "always">

/** The agents from the root to the requesting one, such as `build › explore (read the tax rules)`. Foreign text. */
export const agentPath = (askedBy: ReadonlyArray<{ readonly agent: string; readonly task: string | null }>): string =>
  askedBy.map(({ agent, task }) => (task === null ? agent : `${agent} (${task})`)).join(" › ")

/** Whether the content is one command, which needs no other heading. */
export const isCommand = (sections: ReadonlyArray<{ readonly format: string }>): boolean =>
  sections.length === 1 && sections[0]?.format === "command"

/** How long a permission can be allowed: `once`, and if a scope is known also for later requests of this scope. */
export const reaches = ({ always }: Pick<OpenRequest, "always">): ReadonlyArray<Reach> =>
  always === null ? ["once"] : ["once", "turn", "session", "always"]

/** Milliseconds since the request, and until its time limit: null if it has none. Never negative. */
export const timing = (
  { createdAt, expiresAt }: Pick<OpenRequest, "createdAt" | "expiresAt">,
  now: number
): { readonly age: number; readonly left: number | null } => ({
  age: Math.max(0, now - createdAt),
  left: expiresAt === null ? null : Math.max(0, expiresAt - now)
})
