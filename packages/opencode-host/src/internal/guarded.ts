/** What the host itself does so that each call is asked (`alwaysAsk`); the plugin does the rest. */
import { Effect, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { HostError, StartFailed, Unavailable } from "../HostError.ts"
import type { OpenCodeClient } from "../OpenCodeClient.ts"
import type { OpenCodeServer } from "../OpenCodeServer.ts"
import { get } from "./instance.ts"

const Agents = Schema.Array(
  Schema.Struct({
    name: Schema.String,
    permission: Schema.Array(
      Schema.Struct({ permission: Schema.String, pattern: Schema.String, action: Schema.String })
    )
  })
)

const operation = "reading the agents"

/** OpenCode goes on without a plugin that it cannot load. Fails unless no agent may use a tool that no rule names. OpenCode takes the last rule that fits. */
export const assertAsks = Effect.fnUntraced(function* (server: OpenCodeServer, directory: string) {
  const request = get(server, "/agent").pipe(HttpClientRequest.setUrlParam("directory", directory))
  const agents = yield* HttpClient.execute(request).pipe(
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    Effect.flatMap(HttpClientResponse.schemaBodyJson(Agents)),
    Effect.mapError((error) => new HostError({ reason: new Unavailable({ operation, detail: String(error) }) }))
  )
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
