/** The number of requests in a session with `alwaysAsk`. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { OpenCodeHome, Reply } from "@opencode-worker/testkit"
import { Effect, Fiber, Stream } from "effect"
import { Client } from "@opencode-worker/client/effect"
import { answer, echo, limit, newSession, runWorker, script, send } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

const edit = (file: string) => Reply.toolCall("edit", { filePath: file, oldString: "old", newString: "new" })
const runTests = Reply.toolCall("bash", { command: "cat a.txt b.txt", description: "run the tests" })

/** Reads, searches, edits three files, and runs the tests before and after the last edit. */
const steps = [
  Reply.toolCall("read", { filePath: "a.txt" }),
  Reply.toolCall("grep", { pattern: "old" }),
  edit("a.txt"),
  edit("b.txt"),
  runTests,
  edit("c.txt"),
  runTests
]

/** The subjects of all requests of a session, each with the same answer. */
const questions = Effect.fnUntraced(function* (type: "once" | "always") {
  const { directory } = yield* OpenCodeHome
  for (const name of ["a", "b", "c"]) writeFileSync(join(directory, `${name}.txt`), "old\n")
  const operator = yield* Client
  const sessionId = yield* newSession
  yield* runWorker
  yield* script((request) => steps[request.toolResults.length] ?? echo(request))
  const subjects: Array<string> = []
  const answered = new Set<string>()
  const answers = yield* operator
    .stream(({ requests }) => requests.watch({ sessionId }))
    .pipe(
      Stream.flattenIterable,
      Stream.filter(({ requestId }) => !answered.has(requestId)),
      Stream.runForEach((request) => {
        answered.add(request.requestId)
        subjects.push(request.subject)
        return operator.call(({ requests }) => requests.answer(request, { type }))
      }),
      Effect.forkChild
    )
  const { status } = yield* answer(yield* send(sessionId, "rename old to new"))
  yield* Fiber.interrupt(answers)
  assert.strictEqual(status, "completed")
  return subjects
})

export const numberOfRequestsTests = inWorld("a session", (it) => {
  it.effect(
    "requests approval for each edit and command, and not for reads and searches",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* questions("once"), [
          "edit: a.txt",
          "edit: b.txt",
          "bash: cat a.txt b.txt",
          "edit: c.txt",
          "bash: cat a.txt b.txt"
        ])
      }),
    limit
  )

  it.effect(
    "requests approval once for edits and once for a command that is always allowed",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* questions("always"), ["edit: a.txt", "bash: cat a.txt b.txt"])
      }),
    limit
  )
})
