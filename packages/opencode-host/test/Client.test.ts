import { assert, layer } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Effect, Layer, Redacted, Schedule, Stream } from "effect"
import { vi } from "vitest"
import { ascendingId, OpenCodeHost, type PermissionRequest } from "../src/index.ts"
import { endOf, layerHost, newSession, promptOf, textOf } from "./support.ts"

vi.setConfig({ testTimeout: 30_000 })

const host = layerHost(
  ({ results, prompt }) => {
    if (results > 0) return Reply.text("All right.")
    if (prompt === "touch") return Reply.toolCall("bash", { command: "touch a.txt", description: "touch" })
    if (prompt === "env") return Reply.toolCall("bash", { command: "env", description: "env" })
    return prompt === "delegate"
      ? Reply.toolCall("task", { description: "sub", prompt: "touch", subagent_type: "general" })
      : Reply.text("All right.")
  },
  { permission: { bash: "ask" }, config: { model: "scripted/other" } }
)

layer(host, { timeout: "60 seconds", excludeTestServices: true })("the client", (it) => {
  it.effect("knows the server that it speaks to", () =>
    Effect.gen(function* () {
      const server = yield* (yield* OpenCodeHost).server
      assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+$/)
      assert.match(server.version, /^1\.18\./)
      assert.strictEqual(server.binary?.source, "package")
      assert.isAbove(server.bootMillis, 0)
      assert.strictEqual((yield* Effect.promise(() => fetch(server.url))).status, 401)
    })
  )

  it.effect("creates, reads, renames, lists and deletes sessions", () =>
    Effect.gen(function* () {
      const { sessions } = (yield* OpenCodeHost).client
      const made = yield* sessions.create({ title: "one", metadata: { session: "s1" } })
      assert.deepStrictEqual((yield* sessions.get(made.id)).metadata, { session: "s1" })
      assert.strictEqual((yield* sessions.rename(made.id, "two")).title, "two")
      assert.include(
        (yield* sessions.list()).map(({ id }) => id),
        made.id
      )
      assert.deepStrictEqual(yield* sessions.list({ since: made.time.updated + 3_600_000 }), [])
      yield* sessions.remove(made.id)
      const gone = yield* Effect.flip(sessions.get(made.id))
      assert.strictEqual(gone.reason._tag, "NotFound")
    })
  )

  it.effect("lists more sessions than OpenCode gives by itself", () =>
    Effect.gen(function* () {
      const { sessions } = (yield* OpenCodeHost).client
      yield* Effect.replicateEffect(sessions.create({ title: "many" }), 105, { concurrency: 8, discard: true })
      const all = yield* sessions.list()
      assert.isAtLeast(all.length, 105)
      assert.strictEqual(new Set(all.map(({ id }) => id)).size, all.length)
      assert.strictEqual((yield* sessions.list({ limit: 7 })).length, 7)
    })
  )

  it.effect("lists the models of the user's configuration, with the default of ours", () =>
    Effect.gen(function* () {
      const { models, default: preferred } = yield* (yield* OpenCodeHost).client.models
      assert.strictEqual(preferred, "scripted/other")
      assert.deepInclude(
        models.find(({ id }) => id === preferred),
        { providerId: "scripted", modelId: "other", contextLimit: 100_000 }
      )
    })
  )

  it.effect("lists the agents", () =>
    Effect.gen(function* () {
      const agents = yield* (yield* OpenCodeHost).client.agents
      assert.include(
        agents.map(({ name }) => name),
        "build"
      )
    })
  )

  it.effect(
    "pages through messages, oldest page last, each message once, in the order of our ids and the server's",
    () =>
      Effect.gen(function* () {
        const { client, turn } = yield* OpenCodeHost
        const sessionId = yield* newSession
        const prompts: Array<string> = []
        for (let index = 0; index < 5; index++) {
          const prompt = yield* promptOf(sessionId, `prompt ${index}`)
          prompts.push(prompt.messageId)
          assert.strictEqual(endOf(yield* Stream.runCollect(turn(prompt))).outcome, "completed")
        }
        const ids: Array<string> = []
        let before: string | undefined
        do {
          const page = yield* client.messages.list(sessionId, { limit: 3, before })
          ids.unshift(...page.messages.map(({ info }) => info.id))
          before = page.before
        } while (before !== undefined)
        assert.strictEqual(ids.length, 10)
        assert.deepStrictEqual(
          ids.filter((_, index) => index % 2 === 0),
          prompts
        )
        // The server's own ids (the answers) lie between ours: both are of one format and one clock.
        assert.deepStrictEqual(ids, ids.toSorted())
        for (const id of ids) assert.match(id, /^msg_[0-9a-f]{12}[0-9A-Za-z]{14}$/)
      })
  )

  it.effect("answers a permission; one that was answered is not found again", () =>
    Effect.gen(function* () {
      const { client, turn } = yield* OpenCodeHost
      const asked: Array<PermissionRequest> = []
      const events = yield* turn(yield* promptOf(yield* newSession, "touch")).pipe(
        Stream.tap((event) => {
          if (event._tag !== "PermissionAsked") return Effect.void
          asked.push(event.request)
          return client.permissions.reply(event.request.id, "once")
        }),
        Stream.runCollect
      )
      assert.deepStrictEqual(
        asked.map(({ permission, patterns }) => ({ permission, patterns })),
        [{ permission: "bash", patterns: ["touch a.txt"] }]
      )
      assert.strictEqual(textOf(events), "All right.")
      const again = yield* Effect.flip(client.permissions.reply(asked[0]?.id ?? "", "once"))
      assert.strictEqual(again.reason._tag, "NotFound")
    })
  )

  it.effect("shows the requests of sub-agents, under the sub-agent's session", () =>
    Effect.gen(function* () {
      const { client, turn } = yield* OpenCodeHost
      const sessionId = yield* newSession
      const asked: Array<string> = []
      const events = yield* turn(yield* promptOf(sessionId, "delegate")).pipe(
        Stream.tap((event) => {
          if (event._tag !== "PermissionAsked") return Effect.void
          asked.push(event.request.sessionID)
          return client.permissions.reply(event.request.id, "once")
        }),
        Stream.runCollect
      )
      assert.strictEqual(endOf(events).outcome, "completed")
      assert.deepStrictEqual(
        asked,
        (yield* client.sessions.children(sessionId)).map(({ id }) => id)
      )
    })
  )

  it.effect("keeps its password out of what the agent's commands see", () =>
    Effect.gen(function* () {
      const { client, turn, server } = yield* OpenCodeHost
      const events = yield* turn(yield* promptOf(yield* newSession, "env")).pipe(
        Stream.tap((event) =>
          event._tag === "PermissionAsked" ? client.permissions.reply(event.request.id, "once") : Effect.void
        ),
        Stream.runCollect
      )
      const output = JSON.stringify(endOf(events).messages)
      assert.include(output, "OPENCODE_SERVER_PASSWORD=")
      assert.notInclude(output, Redacted.value((yield* server).password))
    })
  )

  it.effect("leaves no request behind that nobody can answer when a turn is aborted", () =>
    Effect.gen(function* () {
      const { client, turn, abort } = yield* OpenCodeHost
      const sessionId = yield* newSession
      const events = yield* turn(yield* promptOf(sessionId, "touch")).pipe(
        Stream.tap((event) => (event._tag === "PermissionAsked" ? Effect.forkChild(abort(sessionId)) : Effect.void)),
        Stream.runCollect
      )
      assert.strictEqual(endOf(events).outcome, "aborted")
      const open = yield* client.permissions.list.pipe(
        Effect.repeat({ until: (list) => list.length === 0, schedule: Schedule.spaced("50 millis"), times: 100 })
      )
      assert.deepStrictEqual(open, [])
    })
  )

  it.effect("tells a refused form from a missing thing", () =>
    Effect.gen(function* () {
      const { client } = yield* OpenCodeHost
      const sessionId = yield* newSession
      const refused = yield* Effect.flip(
        client.prompt({ sessionId, messageId: "foo_1", partIds: [yield* ascendingId("prt")], text: "x" })
      )
      assert.deepInclude(refused.reason, { _tag: "Protocol", status: 400 })
    })
  )

  it.effect("attaches to a running server, and leaves it running", () =>
    Effect.gen(function* () {
      const own = yield* OpenCodeHost
      const { url, password } = yield* own.server
      const attached = (secret: Redacted.Redacted) =>
        OpenCodeHost.layer({ directory: own.directory, attach: { url, password: secret } })
      const sessionId = yield* newSession
      const end = yield* Effect.gen(function* () {
        const guest = yield* OpenCodeHost
        assert.isUndefined((yield* guest.server).pid)
        return endOf(yield* Stream.runCollect(guest.turn(yield* promptOf(sessionId, "from a guest"))))
      }).pipe(Effect.provide(Layer.fresh(attached(password))))
      assert.strictEqual(end.outcome, "completed")
      assert.strictEqual((yield* own.client.messages.list(sessionId)).messages.length, 2)

      const refused = yield* Effect.flatMap(OpenCodeHost, (guest) => guest.server).pipe(
        Effect.provide(Layer.fresh(attached(Redacted.make("wrong")))),
        Effect.flip
      )
      assert.strictEqual(refused.reason._tag, "Unauthorized")
    })
  )
})
