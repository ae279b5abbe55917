import { assert } from "@effect/vitest"
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { Reply } from "@opencode-worker/testkit"
import { Effect, Redacted, Stream } from "effect"
import { Client } from "@opencode-worker/client/effect"
import {
  ask,
  echo,
  limit,
  loadHistory,
  newSession,
  personal,
  runWorker,
  say,
  schedule,
  script
} from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

/** A request of OpenCode's own terminal that the port does not offer. */
const call = Effect.fnUntraced(function* (method: string, path: string, body?: object) {
  const { directory, server } = yield* OpenCodeHost
  const { password, url } = yield* server
  return yield* Effect.promise(() =>
    fetch(`${url}${path}?directory=${encodeURIComponent(directory)}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`opencode:${Redacted.value(password)}`).toString("base64")}`,
        "content-type": "application/json"
      },
      ...(body !== undefined && { body: JSON.stringify(body) })
    }).then((response) => response.text())
  )
})

const marks = (sessionId: Id<"sessions">) =>
  Client.use((operator) =>
    operator
      .stream(({ turns }) => turns.list(sessionId))
      .pipe(
        Stream.map(({ head, undone }) => `${head}${undone ? " (undone)" : ""}`),
        Stream.runCollect
      )
  )

/** The kinds of the visible parts of each turn. */
const kindsOf = (sessionId: Id<"sessions">) =>
  Client.use((operator) =>
    operator
      .stream(({ turns }) => turns.list(sessionId))
      .pipe(
        Stream.mapEffect(({ turnId }) => operator.call(({ turns }) => turns.parts(turnId))),
        Stream.map((parts) => parts.flatMap(({ kind }) => (kind.startsWith("step-") ? [] : [kind])).join(" ")),
        Stream.runCollect
      )
  )

const become = (sessionId: Id<"sessions">, expected: ReadonlyArray<string>) =>
  Effect.repeat(marks(sessionId), {
    until: (found) => JSON.stringify(found) === JSON.stringify(expected),
    schedule
  })

export const changesInOpenCodeTests = inWorld("a worker, after changes in OpenCode", (it) => {
  it.effect(
    "marks, restores and removes undone turns in the deployment",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const sessionId = yield* newSession
        yield* runWorker
        yield* ask(sessionId, "first")
        yield* ask(sessionId, "second")
        yield* ask(sessionId, "third")
        const [session] = yield* client.sessions.list({ limit: 1 })
        const id = session?.id ?? ""
        const { messages } = yield* client.messages.list(id)
        const second = messages.find(({ parts }) =>
          parts.some((part) => part.type === "text" && part.text === "second")
        )
        yield* call("POST", `/session/${id}/revert`, { messageID: second?.info.id })
        yield* become(sessionId, ["first", "second (undone)", "third (undone)"])
        yield* call("POST", `/session/${id}/unrevert`, {})
        yield* become(sessionId, ["first", "second", "third"])
        yield* call("POST", `/session/${id}/revert`, { messageID: second?.info.id })
        yield* become(sessionId, ["first", "second (undone)", "third (undone)"])
        yield* ask(sessionId, "instead")
        yield* become(sessionId, ["first", "instead"])
      }),
    limit
  )

  it.effect(
    "removes turns and parts that OpenCode removed while no worker ran",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const sessionId = yield* newSession
        yield* script((request) =>
          request.lastUserText === "second" && request.toolResults.length === 0
            ? Reply.sequence([Reply.text("Looking. "), Reply.toolCall("glob", { pattern: "*" })])
            : echo(request)
        )
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* runWorker
            for (const text of ["first", "second", "third"]) yield* ask(sessionId, text)
          })
        )
        const [session] = yield* client.sessions.list({ limit: 1 })
        const id = session?.id ?? ""
        const messagesOf = Effect.map(client.messages.list(id), ({ messages }) => messages)
        const answerTo = Effect.fnUntraced(function* (text: string) {
          const messages = yield* messagesOf
          const at = messages.findIndex(({ parts }) => parts.some((part) => part.type === "text" && part.text === text))
          return messages[at + 1] ?? (yield* Effect.die("There is no answer"))
        })
        // A person undoes the answer to the second prompt from its tool on, and sends another prompt.
        const cut = yield* answerTo("second")
        const partID = cut.parts.find(({ type }) => type === "tool")?.id
        yield* call("POST", `/session/${id}/revert`, { messageID: cut.info.id, partID })
        yield* say(id, "instead")
        // Another client deletes single messages.
        for (const { info } of (yield* messagesOf).slice(0, 2)) {
          yield* call("DELETE", `/session/${id}/message/${info.id}`)
        }
        yield* runWorker
        yield* become(sessionId, ["second"])
        yield* Effect.repeat(kindsOf(sessionId), {
          until: (found) => JSON.stringify(found) === JSON.stringify(["text"]),
          schedule
        })
        yield* loadHistory(sessionId)
        assert.deepStrictEqual(yield* marks(sessionId), ["second", "instead"])
      }),
    limit
  )

  it.effect(
    "marks archived sessions in the deployment",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        yield* ask(sessionId, "hello")
        const [session] = yield* client.sessions.list({ limit: 1 })
        yield* call("PATCH", `/session/${session?.id ?? ""}`, { time: { archived: Date.now() } })
        yield* Effect.repeat(
          operator.call(({ sessions }) => sessions.get(sessionId)),
          { until: (found) => found?.archived === true, schedule }
        )
      }),
    limit
  )

  it.effect(
    "does not confuse a fork with its original session",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const { query } = yield* personal
        const sessionId = yield* newSession
        yield* runWorker
        yield* ask(sessionId, "original")
        const [original] = yield* client.sessions.list({ limit: 1 })
        const before = original?.metadata ?? {}
        // An hour old, because OpenCode creates the fork at once.
        const metadata = { ...before, opencodeWorkerMadeAt: Date.now() - 3_600_000 }
        yield* call("PATCH", `/session/${original?.id ?? ""}`, { metadata })
        yield* call("POST", `/session/${original?.id ?? ""}/fork`, {})
        yield* client.sessions.remove(original?.id ?? "")
        const ended = yield* ask(sessionId, "again")
        assert.strictEqual(ended.status, "completed")
        assert.strictEqual(ended.text, "1: again")
        const { page } = yield* query(api.sessions.list, { paginationOpts: { numItems: 20, cursor: null } })
        assert.strictEqual(page.filter(({ title }) => title.endsWith("(fork #1)")).length, 1)
      }),
    limit
  )
})
