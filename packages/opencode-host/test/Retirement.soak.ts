import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream } from "effect"
import { Reply } from "@opencode-worker/testkit"
import { OpenCodeHost, survivors } from "../src/index.ts"
import { endOf, eventually, layerHost, runPrompt } from "./support.ts"

// A megabyte is less than any server needs: the first idle moment after a use is the end of it.
const host = layerHost(() => Reply.text("Hello."), { idleTimeout: "5 seconds", recycle: { memory: 1_000_000 } })

describe.skipIf(process.platform !== "linux")("a server that is idle", () => {
  it.live(
    "is replaced when it is too large, ended when nobody uses it, and back at the next use",
    () =>
      Effect.gen(function* () {
        const { server, events, hostId } = yield* OpenCodeHost
        const gap = yield* events.pipe(
          Stream.filter((event) => event._tag === "Gap"),
          Stream.runHead,
          Effect.forkScoped({ startImmediately: true })
        )
        assert.strictEqual(endOf(yield* runPrompt("hi")).outcome, "completed")
        const { pid } = yield* server
        yield* eventually(survivors(hostId), (pids) => pids.length > 0 && !pids.includes(pid ?? 0))
        yield* Fiber.join(gap)
        yield* eventually(survivors(hostId), (pids) => pids.length === 0)
        assert.strictEqual(endOf(yield* runPrompt("hi again")).outcome, "completed")
      }).pipe(Effect.scoped, Effect.provide(Layer.fresh(host))),
    60_000
  )
})
