/** Attacks on the person who approves: hidden content, and answers that cover more than was shown. */
import { mkdir, symlink } from "node:fs/promises"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { OpenCodeHome, Reply } from "@opencode-worker/testkit"
import { Effect } from "effect"
import type { OpenRequest } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { answer, asked, echo, limit, newSession, runWorker, script, send } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

/** Runs the prompt as a command, once. */
const runsPrompts = script((request) =>
  request.toolResults.length === 0
    ? Reply.toolCall("bash", { command: request.lastUserText, description: "as requested" })
    : echo(request)
)

/** The complete request that a session waits for. */
const request = Effect.fnUntraced(function* (...of: Parameters<typeof asked>) {
  const { requestId } = yield* asked(...of)
  return yield* Client.use((operator) => operator.call(({ requests }) => requests.get(requestId)))
})

const textOf = ({ content }: OpenRequest, name: string) =>
  content.kind === "permission" ? content.sections.find((section) => section.name === name)?.text : undefined

export const approverTests = inWorld("a person who approves", (it) => {
  it.effect(
    "sees the whole command, its directory, and the agent",
    () =>
      Effect.gen(function* () {
        const { directory } = yield* OpenCodeHome
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        yield* runsPrompts
        const command = `echo ${"harmless ".repeat(3_000)}\ntouch hidden-at-the-end`
        const turnId = yield* send(sessionId, command)
        const shown = yield* request(sessionId)
        assert.strictEqual(textOf(shown, "command"), command)
        assert.match(shown.subject, /^bash: echo harmless .*…$/)
        assert.strictEqual(shown.subject.length, 500)
        assert.deepInclude(shown, { directory, permission: "bash", askedBy: [{ agent: "build", task: null }] })
        assert.deepStrictEqual(shown.always, { label: `exactly this command in ${directory}` })
        yield* operator.call(({ requests }) => requests.answer(shown, { type: "reject" }))
        yield* answer(turnId)
      }),
    limit
  )

  it.effect(
    "sees the whole diff",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        const lines = Array.from({ length: 3_000 }, (_, index) => `line ${index} of a long file`)
        yield* script((asking) =>
          asking.toolResults.length === 0
            ? Reply.toolCall("write", { filePath: "long.txt", content: lines.join("\n") })
            : echo(asking)
        )
        const turnId = yield* send(sessionId, "write it")
        const shown = yield* request(sessionId)
        const diff = textOf(shown, "diff") ?? ""
        assert.deepStrictEqual(
          lines.filter((line) => !diff.includes(`+${line}`)),
          []
        )
        yield* operator.call(({ requests }) => requests.answer(shown, { type: "reject" }))
        yield* answer(turnId)
      }),
    limit
  )

  it.effect(
    "sees the requesting sub-agent and its task",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        yield* script((asking) => {
          if (asking.toolResults.length > 0) return echo(asking)
          return asking.lastUserText === "have it done"
            ? Reply.toolCall("task", { description: "clean up (now)", prompt: "touch x", subagent_type: "general" })
            : Reply.toolCall("bash", { command: "touch x", description: "touch" })
        })
        const turnId = yield* send(sessionId, "have it done")
        const shown = yield* request(sessionId)
        assert.deepStrictEqual(shown.askedBy, [
          { agent: "build", task: null },
          { agent: "general", task: "clean up (now)" }
        ])
        yield* operator.call(({ requests }) => requests.answer(shown, { type: "reject", message: "no" }))
        yield* answer(turnId)
      }),
    limit
  )

  it.effect(
    "sees the target of a link to a file, and cannot allow it always",
    () =>
      Effect.gen(function* () {
        const { directory, root } = yield* OpenCodeHome
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* runWorker
        const outside = join(root, "outside")
        yield* Effect.promise(() => mkdir(outside, { recursive: true }))
        yield* Effect.promise(() => symlink(outside, join(directory, "link")))
        yield* script((asking) =>
          asking.toolResults.length === 0
            ? Reply.toolCall("write", { filePath: "link/new/file.txt", content: "x" })
            : echo(asking)
        )
        const turnId = yield* send(sessionId, "write it")
        const elsewhere = yield* request(sessionId)
        assert.strictEqual(elsewhere.permission, "external_directory")
        assert.strictEqual(textOf(elsewhere, "paths"), join(outside, "new/*"))
        yield* operator.call(({ requests }) => requests.answer(elsewhere, { type: "once" }))
        const shown = yield* request(sessionId, elsewhere)
        assert.strictEqual(textOf(shown, "files"), join(outside, "new/file.txt"))
        assert.strictEqual(shown.always, null)
        yield* operator.call(({ requests }) => requests.answer(shown, { type: "reject" }))
        yield* answer(turnId)
      }),
    limit
  )

  it.effect(
    "allows later only the same command in the same session",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const [sessionId, other] = [yield* newSession, yield* newSession]
        yield* runWorker
        yield* runsPrompts
        const first = yield* send(sessionId, "git status --short")
        const shown = yield* request(sessionId)
        yield* operator.call(({ requests }) => requests.answer(shown, { type: "session" }))
        assert.deepInclude(yield* answer(first), { status: "completed" })
        // No request: the turn would wait for it.
        assert.deepInclude(yield* answer(yield* send(sessionId, "git status --short")), { status: "completed" })

        const longer = yield* send(sessionId, "git status --short; touch proof")
        const second = yield* request(sessionId, shown)
        assert.strictEqual(textOf(second, "command"), "git status --short; touch proof")
        yield* operator.call(({ requests }) => requests.answer(second, { type: "reject" }))
        yield* answer(longer)

        const elsewhere = yield* send(other, "git status --short")
        const third = yield* request(other)
        yield* operator.call(({ requests }) => requests.answer(third, { type: "reject" }))
        yield* answer(elsewhere)
      }),
    limit
  )

  it.effect(
    "gets no request that is too large to show, and the model reads the reason",
    () =>
      Effect.gen(function* () {
        const sessionId = yield* newSession
        yield* runWorker
        yield* script((asking) =>
          asking.toolResults.length === 0
            ? Reply.toolCall("bash", { command: `true ${"x".repeat(1_000_000)}`, description: "long" })
            : echo(asking)
        )
        const { text } = yield* answer(yield* send(sessionId, "run it"))
        assert.match(text, /This request has 100\d{4} characters; at most 1000000 can be shown to a person/)
      }),
    limit
  )
})
