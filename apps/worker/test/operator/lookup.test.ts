/** Rows of an operator who has more of them than are searched. */
import { assert, describe, it } from "@effect/vitest"
import type { Client as Operator } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { ConvexClientError, ConvexClientReason } from "@opencode-worker/effect-convex"
import { Effect, Option, Stream } from "effect"
import { findRequest, findSession, findTurn } from "../../src/operator/lookup.ts"

const idOf = (index: number) => `k${String(index).padStart(31, "0")}`
const rows = Array.from({ length: 600 }, (_, index) => ({
  sessionId: idOf(index),
  turnId: idOf(index),
  requestId: idOf(index)
}))
const oldest = idOf(599)

const refused = new ConvexClientError({
  operation: "get",
  reason: new ConvexClientReason.FunctionFailed({ message: "ArgumentValidationError" })
})
const byId = (id: string) => {
  const row = rows.find(({ sessionId }) => sessionId === id)
  return row === undefined ? Promise.reject(refused) : Promise.resolve(row)
}
async function* listed<A>(all: ReadonlyArray<A>) {
  yield* all
}
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the part that a lookup uses
const operator = {
  sessions: { get: byId, list: () => listed(rows) },
  turns: { list: () => listed(rows) },
  requests: { get: byId, list: () => Promise.resolve(rows.slice(0, 100)) }
} as unknown as Operator

const client = Client.of({
  call: (f) =>
    Effect.tryPromise({
      try: (signal) => f(operator, { signal }),
      catch: (error) => (error instanceof ConvexClientError ? error : refused)
    }),
  stream: (f) => Stream.suspend(() => Stream.fromAsyncIterable(f(operator), () => refused))
})

const look = <A, E>(found: Effect.Effect<A, E, Client>) => Effect.provideService(found, Client, client)

describe("a lookup", () => {
  it.effect("finds a row of any age by its whole id", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* look(findSession(oldest))).sessionId, oldest)
      assert.strictEqual((yield* look(findTurn(oldest, Option.some(oldest)))).turnId, oldest)
      assert.strictEqual((yield* look(findRequest(oldest))).requestId, oldest)
    })
  )

  it.effect("names the remedy if the start of an id is in none of the newest rows", () =>
    Effect.gen(function* () {
      const start = oldest.slice(0, 30)
      for (const found of [Effect.asVoid(findSession(start)), Effect.asVoid(findTurn(oldest, Option.some(start)))]) {
        const { message } = yield* Effect.flip(look(found))
        assert.match(message, /newest 500 (session|turn)s begins with .*: give the whole id/)
      }
      assert.match((yield* Effect.flip(look(findSession("zz".repeat(10))))).message, /give the whole id/)
    })
  )
})
