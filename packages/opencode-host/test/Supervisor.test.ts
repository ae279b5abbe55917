import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Redacted, Ref } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { makeHub } from "../src/internal/hub.ts"
import type { Instance } from "../src/internal/instance.ts"
import { makeSupervisor } from "../src/internal/supervisor.ts"

const server = {
  url: "http://127.0.0.1:1",
  password: Redacted.make("x"),
  version: "1.18.33",
  pid: 1,
  binary: undefined,
  bootMillis: 1,
  startedAt: 0
}

type Answer = Effect.Effect<Response>

/** A supervised server that answers its requests as given; `kill` ends it. */
const setting = Effect.fnUntraced(function* (answers: { readonly health: Answer; readonly event: Answer }) {
  const starts = yield* Ref.make(0)
  const client = HttpClient.make((request, url) => {
    const answer = url.pathname === "/event" ? answers.event : answers.health
    return Effect.map(answer, (response) => HttpClientResponse.fromWeb(request, response))
  })
  const start = Effect.gen(function* () {
    yield* Ref.update(starts, (count) => count + 1)
    const exited = yield* Deferred.make<void>()
    const kill = Effect.asVoid(Deferred.succeed(exited, undefined))
    return { server, exited: Deferred.await(exited), kill } satisfies Instance
  })
  const hub = yield* makeHub()
  const running = yield* makeSupervisor({ start, hub, directory: "/d" }).pipe(
    Effect.provideService(HttpClient.HttpClient, client)
  )
  return { running, starts }
})

const healthy = Effect.sync(() => Response.json({ healthy: true, version: "1.18.33" }))
const heartbeat = `data: ${JSON.stringify({ type: "server.heartbeat", properties: {} })}\n\n`
const beating = Effect.sync(() => new Response(heartbeat))

/** Lets what reads responses (promises, not the clock) go on. */
const settle = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
const minutes = (count: number) =>
  Effect.replicateEffect(Effect.andThen(TestClock.adjust("1 second"), settle), 60 * count, { discard: true })

describe("the supervisor", () => {
  it.effect("ends a server that neither answers nor streams, and starts another one for the next use", () =>
    Effect.gen(function* () {
      const { running, starts } = yield* setting({ health: Effect.never, event: Effect.never })
      const first = yield* running
      yield* minutes(2)
      yield* first.exited
      assert.strictEqual(yield* Ref.get(starts), 1)
      const second = yield* running
      assert.notStrictEqual(second, first)
      assert.strictEqual(yield* Ref.get(starts), 2)
    })
  )

  it.effect.each([
    { name: "streams, but answers nothing", health: Effect.never, event: beating },
    { name: "answers, but streams nothing", health: healthy, event: Effect.never }
  ])("leaves a busy server alone that $name", ({ health, event }) =>
    Effect.gen(function* () {
      const { running, starts } = yield* setting({ health, event })
      const first = yield* running
      yield* minutes(5)
      assert.strictEqual(yield* running, first)
      assert.strictEqual(yield* Ref.get(starts), 1)
    })
  )
})
