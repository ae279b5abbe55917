import { assert } from "@effect/vitest"
import { ScriptedProvider } from "@opencode-worker/testkit"
import { Context, Effect, Layer } from "effect"
import { Client } from "@opencode-worker/client/effect"
import { operatorLayer } from "../../src/local/operatorLayer.ts"
import { ask, runWorker } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

/** `pnpm test:full` runs 50. */
const counts = process.env["TEST_FULL"] === undefined ? [1, 8] : [1, 8, 50]

/** An operator with their own connection. */
const newOperator = Effect.map(Layer.build(Layer.fresh(operatorLayer)), (services) => Context.get(services, Client))

export const operatorsTests = inWorld("operators", (it) => {
  for (const count of counts) {
    it.effect(
      `${count} at once each receive their own complete answer`,
      () =>
        Effect.gen(function* () {
          const provider = yield* ScriptedProvider
          const workerId = yield* runWorker
          const operators = yield* Effect.all(Array.from({ length: count }, () => newOperator))
          const { chats } = yield* provider.stats
          const answers = yield* Effect.forEach(
            operators,
            Effect.fnUntraced(function* (operator, index) {
              const sessionId = yield* operator.call(({ sessions }) => sessions.create(workerId))
              const words = Array.from({ length: 100 }, (_, word) => `${index}-${word}`).join(" ")
              const { status, text } = yield* Effect.provideService(ask(sessionId, words), Client, operator)
              return [status, text === `1: ${words}`]
            }),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(
            answers,
            Array.from({ length: count }, () => ["completed", true])
          )
          assert.strictEqual((yield* provider.stats).chats - chats, count)
        }),
      { timeout: 300_000 }
    )
  }
})
