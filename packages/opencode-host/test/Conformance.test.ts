import { assert, layer } from "@effect/vitest"
import { Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { ConfigProvider, Effect, Layer, Redacted, Schedule, Stream } from "effect"
import { ascendingId, OpenCodeHost, type OpenCodeRequest } from "../src/index.ts"
import {
  endOf,
  isPermission,
  isQuestion,
  layerHost,
  newSession,
  promptOf,
  requestsDuring,
  runPrompt,
  textOf
} from "./support.ts"

const answer = "The quick brown fox jumps over the lazy dog, twice."
const choices = [
  { label: "A", description: "a" },
  { label: "B", description: "b" }
]

/** Stands for a key in the configuration. */
const key = "sk-in-the-configuration"

/** Prints the secrets in its own environment and in that of each process of the host, and tries the passwords. */
const snoop = `env | grep -E 'PASSWORD|CONFIG'
url=$(tr '\\0' ' ' < /proc/$OPENCODE_PID/cmdline | sed 's|.*--hostname \\([^ ]*\\) --port \\([0-9]*\\).*|http://\\1:\\2/global/health|')
try() { curl --silent --output /dev/null --write-out '%{http_code}' "$@" "$url"; }
echo "without a password it gets $(try)"
for file in $(grep -lzxF "OPENCODE_HOST_ID=$OPENCODE_HOST_ID" /proc/[0-9]*/environ); do
  tr '\\0' '\\n' < $file | grep -E 'PASSWORD|CONFIG' | while IFS='=' read -r name value; do
    echo "found $name, which gets $(try --user "opencode:$value") $value"
  done
done`

/** How often the model was asked to answer a prompt; OpenCode asks it for more than that, at times of its own. */
const timesAsked = Effect.fnUntraced(function* (text: string) {
  const { requests } = yield* ScriptedProvider
  return (yield* requests).filter(({ kind, lastUserText }) => kind === "chat" && lastUserText === text).length
})

/** Without the `OPENCODE_BIN` of the tests: the host finds the installed package. */
const packagedBinary = ConfigProvider.layer(ConfigProvider.fromUnknown({ ...process.env, OPENCODE_BIN: "" }))

const host = layerHost(
  ({ results, prompt }) => {
    if (results > 0) return Reply.text("All right.")
    switch (prompt) {
      case "think":
        return Reply.sequence([Reply.reasoning("Let me see."), Reply.text(answer)])
      case "slow":
        return Reply.text("word ".repeat(600), { every: "20 millis" })
      case "unauthorized":
        return Reply.status(401, { message: "bad key" })
      case "touch":
        return Reply.toolCall("bash", { command: "touch a.txt", description: "touch" })
      case "snoop":
        return Reply.toolCall("bash", { command: snoop, description: "snoop" })
      case "question":
        return Reply.toolCall("question", { questions: [{ question: "Which?", header: "Pick", options: choices }] })
      case "delegate":
        return Reply.toolCall("task", { description: "sub", prompt: "touch", subagent_type: "general" })
      default:
        return Reply.text("All right.")
    }
  },
  { permission: { bash: "ask" }, config: { model: "scripted/other", username: key } }
).pipe(Layer.provide(packagedBinary))

layer(host, { timeout: "120 seconds", excludeTestServices: true })("the port", (it) => {
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

  it.effect("creates, reads and lists sessions", () =>
    Effect.gen(function* () {
      const { sessions } = (yield* OpenCodeHost).client
      const made = yield* sessions.get(yield* newSession)
      assert.strictEqual(made.directory, (yield* OpenCodeHost).directory)
      assert.include(
        (yield* sessions.list()).map(({ id }) => id),
        made.id
      )
      assert.deepStrictEqual(yield* sessions.list({ since: made.time.updated + 3_600_000 }), [])
      const missing = yield* Effect.flip(sessions.get("ses_doesnotexist"))
      assert.strictEqual(missing.reason._tag, "NotFound")
    })
  )

  it.effect("renames and deletes sessions", () =>
    Effect.gen(function* () {
      const { sessions } = (yield* OpenCodeHost).client
      const made = yield* sessions.create({ title: "one", metadata: { session: "s1" } })
      assert.deepStrictEqual((yield* sessions.get(made.id)).metadata, { session: "s1" })
      assert.strictEqual((yield* sessions.rename(made.id, "two")).title, "two")
      yield* sessions.remove(made.id)
      const gone = yield* Effect.flip(sessions.get(made.id))
      assert.strictEqual(gone.reason._tag, "NotFound")
    })
  )

  it.effect("lists more sessions than OpenCode returns by default, newest change first", () =>
    Effect.gen(function* () {
      const { sessions } = (yield* OpenCodeHost).client
      yield* Effect.replicateEffect(newSession, 105, { concurrency: 8, discard: true })
      const all = yield* sessions.list()
      assert.isAtLeast(all.length, 105)
      assert.strictEqual(new Set(all.map(({ id }) => id)).size, all.length)
      assert.strictEqual((yield* sessions.list({ limit: 7 })).length, 7)
      const changes = all.map(({ time }) => time.updated)
      assert.deepStrictEqual(
        changes,
        changes.toSorted((a, b) => b - a)
      )
    })
  )

  it.effect("lists the models of the user's configuration, with the default of ours", () =>
    Effect.gen(function* () {
      const { models: list } = (yield* OpenCodeHost).client
      const { models, default: preferred } = yield* list
      assert.strictEqual(preferred, "scripted/other")
      assert.deepInclude(
        models.find(({ id }) => id === "scripted/other"),
        { providerID: "scripted", modelID: "other", status: "active" }
      )
    })
  )

  it.effect("asks OpenCode once for the models", () =>
    Effect.gen(function* () {
      const { models } = (yield* OpenCodeHost).client
      yield* models
      const requests = yield* requestsDuring(models)
      assert.deepStrictEqual(requests, ["/config/providers"])
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
      const { client, turn, reply } = yield* OpenCodeHost
      const asked: Array<Extract<OpenCodeRequest, { readonly kind: "permission" }>> = []
      const events = yield* turn(yield* promptOf(yield* newSession, "touch")).pipe(
        Stream.tap((event) => {
          if (!isPermission(event)) return Effect.void
          asked.push(event.request)
          return reply(event.request, { type: "once" })
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
      const { client, turn, reply } = yield* OpenCodeHost
      const sessionId = yield* newSession
      const asked: Array<string> = []
      const events = yield* turn(yield* promptOf(sessionId, "delegate")).pipe(
        Stream.tap((event) => {
          if (!isPermission(event)) return Effect.void
          asked.push(event.request.sessionID)
          return reply(event.request, { type: "once" })
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

  it.effect("offers its model a tool for sub-agents", () =>
    Effect.gen(function* () {
      const provider = yield* ScriptedProvider
      yield* runPrompt("hi")
      const offered = (yield* provider.requests).at(-1)?.toolNames ?? []
      assert.include(offered, "bash")
      assert.include(offered, "task")
    })
  )

  it.effect("keeps its password and its configuration out of what the agent's commands can read", () =>
    Effect.gen(function* () {
      const { turn, server, reply } = yield* OpenCodeHost
      assert.isTrue((yield* server).passwordHidden)
      const events = yield* turn(yield* promptOf(yield* newSession, "snoop")).pipe(
        Stream.tap((event) => (isPermission(event) ? reply(event.request, { type: "once" }) : Effect.void)),
        Stream.runCollect
      )
      const output = JSON.stringify(endOf(events).messages)
      assert.notInclude(output, Redacted.value((yield* server).password))
      assert.notInclude(output, key)
      // The password that it finds in /proc is refused.
      assert.include(output, "found OPENCODE_SERVER_PASSWORD, which gets 401")
      assert.include(output, "without a password it gets 401")
      assert.notInclude(output, "gets 200")
    })
  )

  it.effect("removes the requests of an aborted turn from OpenCode's list", () =>
    Effect.gen(function* () {
      const { client, turn, abort } = yield* OpenCodeHost
      const sessionId = yield* newSession
      const events = yield* turn(yield* promptOf(sessionId, "touch")).pipe(
        Stream.tap((event) => (isPermission(event) ? Effect.forkChild(abort(sessionId)) : Effect.void)),
        Stream.runCollect
      )
      assert.strictEqual(endOf(events).outcome, "aborted")
      const open = yield* client.permissions.list.pipe(
        Effect.repeat({ until: (list) => list.length === 0, schedule: Schedule.spaced("50 millis"), times: 100 })
      )
      assert.deepStrictEqual(open, [])
    })
  )

  it.effect("streams text in order, reasoning apart, and ends with what is stored", () =>
    Effect.gen(function* () {
      const events = yield* runPrompt("think")
      assert.strictEqual(textOf(events), answer)
      assert.strictEqual(textOf(events, "reasoning"), "Let me see.")
      assert.isAbove(events.filter((event) => event._tag === "TextDelta").length, 5)
      assert.strictEqual(events.filter((event) => event._tag === "Delivered").length, 1)
      const end = endOf(events)
      assert.strictEqual(end.outcome, "completed")
      const stored = end.messages.flatMap(({ parts }) => parts.filter((part) => part.type === "text"))
      assert.deepStrictEqual(
        stored.map(({ text }) => text),
        [answer]
      )
      assert.isAbove(end.usage.input, 0)
    })
  )

  it.effect("runs a prompt that is given again under the same ids once", () =>
    Effect.gen(function* () {
      const { turn } = yield* OpenCodeHost
      const prompt = yield* promptOf(yield* newSession, "sent twice")
      const first = yield* Stream.runCollect(turn(prompt))
      const second = yield* Stream.runCollect(turn(prompt))
      assert.strictEqual(yield* timesAsked("sent twice"), 1)
      assert.deepStrictEqual(endOf(second), endOf(first))
    })
  )

  it.effect("is aborted while it streams, and works on", () =>
    Effect.gen(function* () {
      const { turn, abort, client } = yield* OpenCodeHost
      const sessionId = yield* newSession
      const events = yield* turn(yield* promptOf(sessionId, "slow")).pipe(
        Stream.tap((event) => (event._tag === "TextDelta" ? Effect.forkChild(abort(sessionId)) : Effect.void)),
        Stream.runCollect
      )
      assert.strictEqual(endOf(events).outcome, "aborted")
      assert.isUndefined((yield* client.sessions.status)[sessionId])
      const next = yield* Stream.runCollect(turn(yield* promptOf(sessionId, "again")))
      assert.strictEqual(endOf(next).outcome, "completed")
    })
  )

  it.effect("fails when the model refuses the key", () =>
    Effect.gen(function* () {
      const { error, outcome } = endOf(yield* runPrompt("unauthorized"))
      assert.strictEqual(outcome, "failed")
      assert.include(error?.message, "bad key")
      assert.strictEqual(error?.statusCode, 401)
    })
  )

  it.effect("never runs an unknown model or agent", () =>
    Effect.gen(function* () {
      const { turn } = yield* OpenCodeHost
      const sessionId = yield* newSession
      for (const wrong of [{ model: "scripted/no/such" }, { agent: "unknown" }]) {
        const events = yield* Stream.runCollect(turn({ ...(yield* promptOf(sessionId, "for the unknown")), ...wrong }))
        assert.strictEqual(endOf(events).outcome, "failed")
      }
      assert.strictEqual(yield* timesAsked("for the unknown"), 0)
    })
  )

  it.effect("uses the model that a prompt names", () =>
    Effect.gen(function* () {
      const { turn } = yield* OpenCodeHost
      const prompt = yield* promptOf(yield* newSession, "hi")
      const [answered] = endOf(yield* Stream.runCollect(turn({ ...prompt, model: "scripted/other" }))).messages
      assert.strictEqual(answered?.info.modelID, "other")
    })
  )

  it.effect("waits for the answer to a question", () =>
    Effect.gen(function* () {
      const { turn, reply } = yield* OpenCodeHost
      const events = yield* turn(yield* promptOf(yield* newSession, "question")).pipe(
        Stream.tap((event) =>
          isQuestion(event) ? reply(event.request, { type: "answers", answers: [["B"]] }) : Effect.void
        ),
        Stream.runCollect
      )
      assert.strictEqual(events.filter(isQuestion).length, 1)
      assert.strictEqual(endOf(events).outcome, "completed")
      assert.strictEqual(textOf(events), "All right.")
    })
  )

  it.effect("ends aborted when its request is refused", () =>
    Effect.gen(function* () {
      const { turn, reply } = yield* OpenCodeHost
      const events = yield* turn(yield* promptOf(yield* newSession, "touch")).pipe(
        Stream.tap((event) => (isPermission(event) ? reply(event.request, { type: "reject" }) : Effect.void)),
        Stream.runCollect
      )
      assert.strictEqual(endOf(events).outcome, "aborted")
    })
  )

  it.effect("distinguishes a malformed request from a missing session", () =>
    Effect.gen(function* () {
      const { client } = yield* OpenCodeHost
      const sessionId = yield* newSession
      const refused = yield* Effect.flip(
        client.prompt({ sessionId, messageId: "foo_1", partId: yield* ascendingId("prt"), text: "x" })
      )
      assert.deepInclude(refused.reason, { _tag: "Protocol", status: 400 })
    })
  )

  // `pnpm test:full` boots another one; `Processes.test.ts` always does.
  it.effect.skipIf(process.env["TEST_FULL"] === undefined)(
    "ends a turn whose server is killed, with what is stored of it, and works on with another",
    () =>
      Effect.gen(function* () {
        const { server, turn } = yield* OpenCodeHost
        const { pid = 0 } = yield* server
        let killed = false
        const events = yield* turn(yield* promptOf(yield* newSession, "slow")).pipe(
          Stream.tap((event) =>
            Effect.sync(() => {
              if (event._tag !== "TextDelta" || killed) return
              killed = true
              process.kill(pid, "SIGKILL")
            })
          ),
          Stream.runCollect
        )
        assert.strictEqual(endOf(events).outcome, "interrupted")
        assert.strictEqual(endOf(events).error?.name, "ServerDied")
        assert.notStrictEqual((yield* server).pid, pid)
        assert.strictEqual(endOf(yield* runPrompt("again")).outcome, "completed")
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
