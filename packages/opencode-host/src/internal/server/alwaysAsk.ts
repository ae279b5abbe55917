/** The host's part of `alwaysAsk`. The plugin does the rest. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { HostError } from "../../HostError.ts"
import { StartFailed } from "../../HostErrorReason.ts"
import type { OpenCodeClient } from "../../OpenCodeClient.ts"
import type { OpenCodeServer } from "../../OpenCodeServer.ts"
import { readAs } from "./http.ts"

interface AgentPermissions {
  readonly name: string
  readonly permission: ReadonlyArray<{ readonly permission: string; readonly pattern: string; readonly action: string }>
}

const isRule = (rule: unknown) =>
  Predicate.isObject(rule) &&
  ["permission", "pattern", "action"].every((name) => Predicate.isString(Reflect.get(rule, name)))

const isAgent = (agent: unknown): agent is AgentPermissions =>
  Predicate.hasProperty(agent, "name") &&
  Predicate.isString(agent.name) &&
  Predicate.hasProperty(agent, "permission") &&
  Array.isArray(agent.permission) &&
  agent.permission.every(isRule)

const areAgents = (body: unknown): body is ReadonlyArray<AgentPermissions> => Array.isArray(body) && body.every(isAgent)

/**
 * Fails unless every agent asks for a tool that no rule names: OpenCode continues without a plugin that it cannot load.
 * OpenCode applies the last rule that matches.
 */
export const assertAsks = Effect.fnUntraced(function* (server: OpenCodeServer, directory: string) {
  const agents = yield* readAs(server, { operation: "reading the agents", path: "/agent", directory }, areAgents)
  const free = agents.find(
    ({ permission }) =>
      permission.findLast((rule) => rule.permission === "*" && rule.pattern === "*")?.action === "allow"
  )
  if (free === undefined && agents.length > 0) return
  const problem = `OpenCode has not loaded the plugin that makes it ask (alwaysAsk): its agent ${free?.name ?? ""} may use any tool`
  return yield* new HostError({ reason: new StartFailed({ problem, output: [] }) })
})

/** `always` makes OpenCode allow its own patterns, such as `*` for an edit, in all sessions. */
export const withoutAlways = (client: OpenCodeClient): OpenCodeClient => ({
  ...client,
  permissions: {
    ...client.permissions,
    reply: (id, reply, message) => client.permissions.reply(id, reply === "always" ? "once" : reply, message)
  }
})
