/** `SessionStore` of `SessionSync`. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import type { SessionMerge } from "../../src/index.ts"
import { assertFenced, type Cases, codeOf, eventually, type MakeWorker } from "./Worker.ts"

const batch = (sessions: ReadonlyArray<Partial<SessionMerge.Listed>>, watermark?: number): SessionMerge.Batch => ({
  sessions: sessions.map((session, index) => ({ id: `ses_${index}`, title: "One", updated: 1, ...session })),
  watermark
})
const titlesOf = (sessions: ReadonlyArray<{ readonly title: string }>) => sessions.map(({ title }) => title).toSorted()

export const sessionSync = <R>(
  cases: Cases<R>,
  worker: MakeWorker<R, "sessions", "createSession" | "rename" | "sessions">
) =>
  describe("a store of sessions", () => {
    cases.effect("stores each session once, with the values of the last call", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { sessions: store } = yield* start("p")
        yield* store.apply(batch([{ title: "A" }, { title: "B" }]))
        yield* store.apply(batch([{ title: "A" }, { title: "B" }]))
        assert.deepStrictEqual(titlesOf(yield* operator.sessions), ["A", "B"])
        yield* store.apply(batch([{ title: "C", updated: 2 }]))
        assert.deepStrictEqual(titlesOf(yield* operator.sessions), ["B", "C"])
      })
    )

    cases.effect("returns the sessions that differ from the stored ones", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { sessions: store } = yield* start("p")
        const [renamed, awaited] = [yield* operator.createSession, yield* operator.createSession]
        yield* operator.rename(renamed, "Mine")
        const { sessions } = batch([{ title: "A" }, { title: "B" }, { title: "C", createdForSessionId: renamed }])
        yield* store.apply({ sessions, watermark: undefined })
        assert.deepStrictEqual(yield* store.outdated(sessions), [])
        const later = batch([
          { title: "Another" },
          { title: "B", updated: 2 },
          { title: "Another" },
          { createdForSessionId: awaited }
        ])
        assert.sameMembers([...(yield* store.outdated(later.sessions))], ["ses_0", "ses_1", "ses_3"])
        yield* store.apply(later)
        assert.deepStrictEqual(yield* store.outdated(later.sessions), [])
      })
    )

    cases.effect("keeps the watermark when a batch has none, and never lowers it", () =>
      Effect.gen(function* () {
        const { start } = yield* worker
        const { sessions: store } = yield* start("p")
        assert.strictEqual(yield* store.watermark, 0)
        yield* store.apply(batch([{}], 7))
        yield* store.apply(batch([{}]))
        assert.strictEqual(yield* store.watermark, 7)
        yield* store.apply(batch([{}], 5))
        assert.strictEqual(yield* store.watermark, 7)
        const { sessions: next } = yield* start("p")
        assert.strictEqual(yield* next.watermark, 7)
      })
    )

    cases.effect("applies sessions and watermark together, or neither", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { sessions: store } = yield* start("p")
        const refused = batch([{}, { title: "x".repeat(1_000) }], 7)
        assert.strictEqual(yield* codeOf(store.apply(refused)), "InvalidArgument")
        assert.deepStrictEqual(yield* operator.sessions, [])
        assert.strictEqual(yield* store.watermark, 0)
      })
    )

    cases.effect("links an OpenCode session to the session that it was created for, and creates no second one", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { sessions: store } = yield* start("p")
        const sessionId = yield* operator.createSession
        yield* store.apply(batch([{ title: "A", createdForSessionId: sessionId }]))
        yield* store.apply(batch([{ title: "B" }]))
        const [only, ...others] = yield* operator.sessions
        assert.deepInclude(only, { sessionId, title: "B" })
        assert.deepStrictEqual(others, [])
        // A fork copies the metadata of its origin.
        yield* store.apply(batch([{ id: "ses_fork", title: "C", createdForSessionId: sessionId }]))
        assert.deepStrictEqual(titlesOf(yield* operator.sessions), ["B", "C"])
      })
    )

    cases.effect("keeps a title that an operator set", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { sessions: store } = yield* start("p")
        yield* store.apply(batch([{ title: "A" }]))
        const [session] = yield* operator.sessions
        if (session === undefined) return assert.fail("There is none")
        yield* operator.rename(session.sessionId, "Mine")
        yield* store.apply(batch([{ title: "B", updated: 2 }]))
        assert.deepStrictEqual(titlesOf(yield* operator.sessions), ["Mine"])
      })
    )

    cases.effect("forgets sessions that OpenCode deleted, and keeps those that an operator created", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { sessions: store } = yield* start("p")
        const sessionId = yield* operator.createSession
        yield* store.apply(
          batch([{ createdForSessionId: sessionId, title: "Mine" }, { title: "A" }, { title: "B" }], 7)
        )
        yield* store.forget(["ses_0", "ses_1", "ses_unknown"])
        yield* store.forget(["ses_0", "ses_1"])
        const left = yield* eventually(operator.sessions, (sessions) => sessions.length === 2)
        assert.deepStrictEqual(titlesOf(left), ["B", "Mine"])
        assert.strictEqual(yield* store.watermark, 7)
      })
    )

    cases.effect("refuses a superseded process", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { sessions: store } = yield* start("p")
        yield* store.apply(batch([{}], 7))
        yield* start("p")
        yield* assertFenced(store.watermark)
        yield* assertFenced(store.outdated([]))
        yield* assertFenced(store.apply(batch([{ id: "ses_late" }], 9)))
        yield* assertFenced(store.forget(["ses_0"]))
        assert.strictEqual((yield* operator.sessions).length, 1)
      })
    )
  })
