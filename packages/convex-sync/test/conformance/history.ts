/** `HistoryStore`. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import type { History } from "../../src/index.ts"
import { assertFenced, type Cases, eventually, type MakeWorker } from "./Worker.ts"

/** A turn whose prompt is its name, right before `newerId`. */
const turnOf = (messageId: string, newerId?: string): History.HistoryTurn => ({
  messageId,
  ...(newerId !== undefined && { newerId }),
  text: messageId,
  askedAt: 1,
  finishedAt: 2,
  outcome: "completed",
  parts: [{ index: 0, kind: "text", payload: '{"text":"Yes"}' }]
})

const idsIn = (store: History.HistoryStore) =>
  Effect.map(store.mirrored(undefined), ({ turns }) => turns.map(({ messageId }) => messageId))

export const history = <R>(
  cases: Cases<R>,
  worker: MakeWorker<R, "history" | "turns", "createSession" | "send" | "turns">
) => {
  /** A process with a session, in which the prompt `asked` runs if it is given. */
  const setUp = Effect.fnUntraced(function* (asked?: string) {
    const { operator, start } = yield* worker
    const { history: of, turns } = yield* start("p")
    const sessionId = yield* operator.createSession
    if (asked !== undefined) {
      const turnId = yield* operator.send(sessionId, asked)
      assert.isNotNull(yield* turns.claim(turnId, { messageId: asked, partId: "prt_1" }))
    }
    const texts = Effect.map(operator.turns(sessionId), (all) => all.map(({ text }) => text).join())
    return { of, operator, sessionId, start, store: of(sessionId), texts }
  })

  return describe("a store of history", () => {
    cases.effect("adds each turn once and in order, however the turns are divided into calls", () =>
      Effect.gen(function* () {
        const { operator, sessionId, store, texts } = yield* setUp()
        yield* store.add([turnOf("d"), turnOf("c", "d")], undefined)
        yield* store.add([turnOf("d"), turnOf("c", "d")], undefined)
        assert.strictEqual(yield* texts, "c,d")
        yield* store.add([turnOf("b", "c"), turnOf("a", "b")], undefined)
        assert.strictEqual(yield* texts, "a,b,c,d")
        const turns = yield* operator.turns(sessionId)
        assert.deepStrictEqual(new Set(turns.map(({ status }) => status)), new Set(["completed"]))
      })
    )

    cases.effect("inserts missed turns between their neighbours, and appends newer turns", () =>
      Effect.gen(function* () {
        const { store, texts } = yield* setUp()
        yield* store.add([turnOf("d"), turnOf("b", "d")], undefined)
        yield* store.add([turnOf("e"), turnOf("c", "d"), turnOf("a", "b")], undefined)
        assert.strictEqual(yield* texts, "a,b,c,d,e")
      })
    )

    cases.effect("recognises imported turns and turns of the deployment", () =>
      Effect.gen(function* () {
        const { store, texts } = yield* setUp("asked")
        yield* store.add([turnOf("a")], undefined)
        assert.deepStrictEqual(yield* idsIn(store), ["asked", "a"])
        yield* store.add([turnOf("asked")], undefined)
        assert.strictEqual(yield* texts, "a,asked")
      })
    )

    cases.effect("forgets turns that have ended, and no other", () =>
      Effect.gen(function* () {
        const { store, texts } = yield* setUp("asked")
        yield* store.add([turnOf("c"), turnOf("b", "c"), turnOf("a", "b")], undefined)
        yield* store.forgetPrompts(["b", "asked", "unknown"])
        yield* store.forgetPrompts(["b"])
        assert.deepStrictEqual(yield* eventually(idsIn(store), ({ length }) => length === 3), ["asked", "c", "a"])
        assert.strictEqual(yield* texts, "a,c,asked")
      })
    )

    cases.effect("keeps the turns of two sessions separate", () =>
      Effect.gen(function* () {
        const { of, operator, store, texts } = yield* setUp()
        const other = of(yield* operator.createSession)
        yield* other.add([turnOf("a")], undefined)
        assert.deepStrictEqual(yield* idsIn(store), [])
        yield* store.forgetPrompts(["a"])
        assert.deepStrictEqual(yield* idsIn(other), ["a"])
        yield* store.add([turnOf("b"), turnOf("a", "b")], undefined)
        assert.strictEqual(yield* texts, "a,b")
      })
    )

    cases.effect("returns the running prompt, or null", () =>
      Effect.gen(function* () {
        const { operator, sessionId, store } = yield* setUp("asked")
        yield* operator.send(sessionId, "waits")
        assert.strictEqual(yield* store.running, "asked")
        const idle = yield* setUp()
        yield* idle.operator.send(idle.sessionId, "waits")
        assert.isNull(yield* idle.store.running)
      })
    )

    cases.effect("adds turns before the running one, or after it if OpenCode received it earlier", () =>
      Effect.gen(function* () {
        const { operator, sessionId, store, texts } = yield* setUp("asked")
        yield* operator.send(sessionId, "waits")
        yield* store.add([turnOf("before")], undefined)
        yield* store.add([turnOf("after")], "asked")
        assert.strictEqual(yield* texts, "before,asked,after,waits")
      })
    )

    cases.effect("refuses a superseded process", () =>
      Effect.gen(function* () {
        const { start, store, texts } = yield* setUp()
        yield* start("p")
        yield* assertFenced(store.running)
        yield* assertFenced(store.mirrored(undefined))
        yield* assertFenced(store.forgetPrompts(["a"]))
        yield* assertFenced(store.keepParts("a", []))
        yield* assertFenced(store.add([turnOf("a")], undefined))
        assert.strictEqual(yield* texts, "")
      })
    )
  })
}
