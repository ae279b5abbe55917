/** Attacks by two calls of one id: what a person is shown of one of them is the other one. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Deferred, Effect, Stream } from "effect"
import { OpenCodeHost, type TurnEvent } from "../../src/index.ts"
import { isPermission, newSession, promptOf } from "../support.ts"
import type { InAskingWorld } from "./askingHost.ts"

const limit = { timeout: 240_000 }

const call = (name: string, args: object = {}) =>
  Reply.toolCall("bash", { command: `touch ~/${name}`, description: name, ...args }, "same")

/** Runs the calls of one answer, the second of them after `until`. Everything that is asked after the first is rejected. */
const run = Effect.fnUntraced(function* (until: (asked: Effect.Effect<void>) => Effect.Effect<unknown>) {
  const asked = yield* Deferred.make<void>()
  const requests: Array<unknown> = []
  const provider = yield* ScriptedProvider
  const { root } = yield* OpenCodeHome
  const { reply, turn } = yield* OpenCodeHost
  yield* provider.setScript(({ toolResults }) =>
    toolResults.length > 0
      ? Reply.text("done")
      : Reply.sequence([
          call("first", { workdir: "/usr" }),
          { steps: [Reply.Step.Wait({ until: until(Deferred.await(asked)) })] },
          call("second")
        ])
  )
  const events = yield* turn(yield* promptOf(yield* newSession, "go")).pipe(
    Stream.tap((event: TurnEvent) => {
      if (!isPermission(event)) return Effect.void
      requests.push(event.request)
      if (requests.length === 1) return Deferred.succeed(asked, undefined)
      return Effect.ignore(reply(event.request, { type: "reject" }))
    }),
    Stream.runCollect
  )
  const ran = ["first", "second"].filter((name) => existsSync(join(root, "home", name)))
  return { ended: events.at(-1), ran, asked: requests.length }
})

/** They change the model. */
export const callIdsTests = (it: InAskingWorld) => {
  for (const [when, until] of [
    ["come together", () => Effect.void],
    ["follow a request of the first", (asked: Effect.Effect<void>) => asked]
  ] as const) {
    it.effect(
      `calls of one id end the turn and do not run when they ${when}`,
      () =>
        Effect.gen(function* () {
          const { asked, ended, ran } = yield* run(until)
          assert.deepStrictEqual(ran, [])
          assert.isAtMost(asked, 1)
          assert.strictEqual(ended?._tag === "Ended" ? ended.outcome : undefined, "aborted")
        }),
      limit
    )
  }
}
