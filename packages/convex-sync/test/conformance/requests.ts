/** `StorePort` of `Requests`. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { assertFenced, type Cases, codeOf, type MakeWorker, opened, requestCalled } from "./Worker.ts"

type Section = { readonly name: string; readonly format: "command"; readonly text: string }

const once = { type: "once" } as const
const always = { type: "always" } as const

export const requests = <R>(
  cases: Cases<R>,
  worker: MakeWorker<R, "requests" | "turns", "answer" | "createSession" | "pending" | "send">
) => {
  /** A process with a running turn, and the requests of that turn. */
  const setUp = Effect.gen(function* () {
    const { operator, start } = yield* worker
    const { turns, requests: port } = yield* start("p")
    const sessionId = yield* operator.createSession
    const turnId = yield* operator.send(sessionId, "Hi")
    assert.isNotNull(yield* turns.claim(turnId, { messageId: "msg_1", partId: "prt_1" }))
    const open = (opencodeId: string, of = turnId) =>
      Effect.flatMap(port.open(requestCalled(opencodeId, of)), ({ requestId }) =>
        requestId === null ? Effect.die("An approval covers this request") : Effect.succeed(requestId)
      )
    return { open, operator, pending: operator.pending(sessionId), port, sessionId, start, turnId }
  })

  return describe("a store of requests", () => {
    cases.effect("shows a request to its operator once, however often it is opened", () =>
      Effect.gen(function* () {
        const { open, pending } = yield* setUp
        const requestId = yield* open("per_1")
        assert.strictEqual(yield* open("per_1"), requestId)
        assert.notStrictEqual(yield* open("per_2"), requestId)
        const shown = yield* pending
        assert.deepStrictEqual(
          shown.map(({ subject }) => subject),
          ["bash: per_1", "bash: per_2"]
        )
      })
    )

    cases.effect("accepts content of the maximum size, and rejects larger content", () =>
      Effect.gen(function* () {
        const { pending, port, turnId } = yield* setUp
        const whole = (opencodeId: string, length: number) => {
          const content = { kind: "permission", permission: "bash", sections: [] as Array<Section> } as const
          const section = { name: "command", format: "command", text: "" } as const
          const spent = JSON.stringify({ ...content, sections: [section] }).length
          content.sections.push({ ...section, text: "x".repeat(length - spent) })
          return { ...requestCalled(opencodeId, turnId), content }
        }
        yield* port.open(whole("per_1", 1_000_000))
        assert.strictEqual(yield* codeOf(port.open(whole("per_2", 1_000_001))), "InvalidArgument")
        assert.deepStrictEqual(
          (yield* pending).map(({ size }) => size),
          [1_000_000]
        )
      })
    )

    cases.effect("returns the answer to a request that an approval covers, and does not show it", () =>
      Effect.gen(function* () {
        const { open, operator, pending, port, turnId } = yield* setUp
        yield* operator.answer(yield* open("per_1"), always)
        const { always: scope } = requestCalled("per_1", turnId)
        const covered = yield* port.open({ ...requestCalled("per_2", turnId), always: scope })
        assert.deepStrictEqual(covered, { requestId: null, answer: once })
        assert.deepStrictEqual(yield* pending, [])
      })
    )

    cases.effect("returns the answer of a request that was answered before it is opened again", () =>
      Effect.gen(function* () {
        const { open, operator, port, turnId } = yield* setUp
        const requestId = yield* open("per_1")
        yield* operator.answer(requestId, once)
        assert.deepStrictEqual(yield* port.open(requestCalled("per_1", turnId)), { requestId, answer: once })
      })
    )

    cases.effect("streams each answer until the request is closed", () =>
      Effect.gen(function* () {
        const { open, operator, pending, port, turnId } = yield* setUp
        const shown = yield* opened(port.answers)
        const [first, second] = [yield* open("per_1"), yield* open("per_2")]
        yield* operator.answer(second, always)
        yield* shown.until((answers) => answers.length === 1)
        yield* operator.answer(first, once)
        const both = yield* shown.until((answers) => answers.length === 2)
        const answer = both.find(({ requestId }) => requestId === second)
        assert.deepInclude(answer, { turnId, opencodeId: "per_2", kind: "permission", answer: always })
        yield* port.close(first, "answered")
        yield* port.close(second, "answered")
        yield* shown.until((answers) => answers.length === 0)
        assert.deepStrictEqual(yield* pending, [])
      })
    )

    cases.effect("hides a closed request, and keeps the first closing", () =>
      Effect.gen(function* () {
        const { open, operator, pending, port } = yield* setUp
        const [expired, cancelled] = [yield* open("per_1"), yield* open("per_2")]
        yield* port.close(expired, "expired")
        yield* port.close(cancelled, "cancelled")
        yield* port.close(expired, "cancelled")
        yield* port.close(cancelled, "expired")
        assert.deepStrictEqual(yield* pending, [])
        assert.strictEqual(yield* codeOf(operator.answer(expired, once)), "Expired")
        assert.strictEqual(yield* codeOf(operator.answer(cancelled, once)), "Conflict")
      })
    )

    cases.effect("does not show a closed request again, and streams no answer for it", () =>
      Effect.gen(function* () {
        const { open, operator, pending, port } = yield* setUp
        const shown = yield* opened(port.answers)
        const requestId = yield* open("per_1")
        yield* operator.answer(requestId, once)
        yield* shown.until((answers) => answers.length === 1)
        yield* port.close(requestId, "cancelled")
        assert.strictEqual(yield* open("per_1"), requestId)
        assert.deepStrictEqual(yield* pending, [])
        yield* shown.until((answers) => answers.length === 0)
      })
    )

    cases.effect("rejects a request of a turn that does not run in this process", () =>
      Effect.gen(function* () {
        const { open, operator, pending, sessionId } = yield* setUp
        const waiting = yield* operator.send(sessionId, "Later")
        assert.strictEqual(yield* codeOf(open("per_1", waiting)), "Conflict")
        assert.deepStrictEqual(yield* pending, [])
      })
    )

    cases.effect("refuses a superseded process, and ends its subscription", () =>
      Effect.gen(function* () {
        const { open, pending, port, start } = yield* setUp
        const requestId = yield* open("per_1")
        const shown = yield* opened(port.answers)
        yield* start("p")
        yield* assertFenced(open("per_2"))
        yield* assertFenced(port.close(requestId, "cancelled"))
        yield* assertFenced(shown.end)
        assert.deepStrictEqual(
          (yield* pending).map((request) => request.requestId),
          [requestId]
        )
      })
    )
  })
}
