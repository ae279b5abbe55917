/** The end of a command that follows a turn of a deployment that no longer responds. */
import { assert, describe, it } from "@effect/vitest"
import type { TurnId } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { Duration, Effect, Exit, Fiber, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { followTurn } from "../../src/operator/followTurn.ts"

const away = Client.of({ call: () => Effect.never, stream: () => Stream.never })

const followed = (timeout: Option.Option<Duration.Duration>) =>
  followTurn({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only a deployment makes real ones
    turnId: "turn" as TurnId,
    writer: { write: () => Effect.void },
    onRequest: "wait",
    person: undefined,
    timeout,
    stop: true
  }).pipe(Effect.provideService(Client, away), Effect.exit, Effect.forkChild)

describe("a command whose deployment is away", () => {
  it.effect("ends 3 s after its time limit, and reports that the turn goes on", () =>
    Effect.gen(function* () {
      const fiber = yield* followed(Option.some(Duration.minutes(1)))
      yield* TestClock.adjust("63 seconds")
      const exit = yield* Fiber.join(fiber)
      assert.isTrue(Exit.isFailure(exit))
      assert.include(String(exit), "It goes on")
    })
  )

  it.effect("ends 3 s after an interruption", () =>
    Effect.gen(function* () {
      const fiber = yield* followed(Option.none())
      yield* Effect.yieldNow
      const ended = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(ended)
    })
  )
})
