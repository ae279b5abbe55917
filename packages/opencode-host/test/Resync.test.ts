import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Deferred, Effect, Ref, Stream } from "effect"
import { HostError, HostErrorReason, OpenCodeHost } from "../src/index.ts"
import { makeHub } from "../src/internal/server/hub.ts"
import { runTurn } from "../src/internal/turn/turn.ts"
import { endOf, isPermission, layerHost, newSession, promptOf, turnHostOver } from "./support.ts"

const model = layerHost(
  ({ results }) =>
    results > 0 ? Reply.text("done") : Reply.toolCall("bash", { command: "echo hi", description: "the prompt" }),
  { permission: { bash: "ask" } }
)

describe("what a gap took", () => {
  it.live(
    "is looked for again at the next tick when looking for it has failed",
    () =>
      Effect.gen(function* () {
        const { client, events, reply } = yield* OpenCodeHost
        const hub = yield* makeHub()
        const asked = yield* Deferred.make<void>()
        const looks = yield* Ref.make(0)
        // A connection that loses the question, and a server that cannot be asked for it the first time.
        yield* events.pipe(
          Stream.runForEach((event) =>
            event._tag === "Event" && event.event.type === "permission.asked"
              ? Effect.andThen(hub.publish({ _tag: "Gap", cause: "error" }), Deferred.succeed(asked, undefined))
              : hub.publish(event)
          ),
          Effect.forkScoped({ startImmediately: true })
        )
        const list = Effect.gen(function* () {
          if ((yield* Ref.updateAndGet(looks, (count) => count + 1)) > 1) return yield* client.permissions.list
          return yield* new HostError({
            reason: new HostErrorReason.Unavailable({ operation: "permissions.list", detail: "busy" })
          })
        })
        const turnHost = yield* turnHostOver(hub)
        const turn = runTurn(
          { ...turnHost, client: { ...client, permissions: { ...client.permissions, list } } },
          yield* promptOf(yield* newSession, "run it")
        )
        const told = yield* turn.pipe(
          Stream.tap((event) => (isPermission(event) ? reply(event.request, { type: "once" }) : Effect.void)),
          Stream.runCollect
        )
        yield* Deferred.await(asked)
        assert.strictEqual(told.filter(isPermission).length, 1)
        assert.isAtLeast(yield* Ref.get(looks), 2)
        assert.strictEqual(endOf(told).outcome, "completed")
      }).pipe(Effect.scoped, Effect.provide(model)),
    90_000
  )
})
