/**
 * The turns of a worker between the inbox and their end: a bounded number runs, what waits is not claimed.
 *
 * ```
 *   inbox ─▶ waits for room (ends with `take`) ─▶ claimed, runs (ends with the lease) ─▶ told
 *     ▲                                              │                                └─ refused ─▶ settlement
 *     └─────────────── not claimed, and still ready ─┘
 * ```
 *
 * @since 0.1.0
 */
import { Inbox, type ReadyTurn, Settlement } from "@opencode-worker/convex-sync"
import { Cause, Effect, Fiber, FiberMap, Option, Queue, Semaphore } from "effect"
import { whenRunning } from "./opencode/hopeless.ts"
import { RunningTurns } from "./RunningTurns.ts"
import { capacity } from "./Sessions.ts"
import { runTurn } from "./Turn.ts"

/** Between two settlements: what is queued again and refused again must not go round in a hot loop. */
const pause = "1 second"

/** A turn that fails concerns nobody else: settlement finds it. */
const logged = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.catchCause(work, (cause) =>
    Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("A turn could not be carried through", cause)
  )

/**
 * Runs turns for as long as the scope, which is the lease's: make it last, so that it ends first, and no turn outlives
 * what it writes with.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeIntake = Effect.gen(function* () {
  const { ids } = yield* RunningTurns
  const { settleAll } = yield* Settlement
  const room = yield* Semaphore.make(capacity)
  const running = yield* FiberMap.make<string>()
  /** That there is a turn whose end the deployment refused. */
  const unfinished = yield* Queue.sliding<void>(1)

  const carryThrough = (turn: ReadyTurn) =>
    runTurn(turn).pipe(
      Effect.tapCause((cause) =>
        Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.asVoid(Queue.offer(unfinished, undefined))
      ),
      logged
    )

  const leave = Semaphore.release(room, 1)
  /**
   * Claims nothing that could not begin at once: what waits here is anybody's, and ends at once when it is aborted. Ends
   * with the turn, which goes on when this is interrupted.
   */
  const begin = (turn: ReadyTurn) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        // A prompt waits for an OpenCode that can run it; one that runs already is not held up.
        if (Option.isNone(FiberMap.getUnsafe(running, turn.turnId))) yield* restore(whenRunning)
        yield* restore(Semaphore.take(room, 1))
        const known = FiberMap.getUnsafe(running, turn.turnId)
        if (Option.isSome(known)) yield* leave
        const fiber = Option.isSome(known)
          ? known.value
          : yield* FiberMap.run(running, turn.turnId, Effect.ensuring(carryThrough(turn), leave))
        yield* restore(Fiber.await(fiber))
      })
    )

  return {
    /** Begins what is ready, until it is interrupted: then what runs goes on, and what waits for room stays queued. */
    take: Inbox.use(({ run }) => run(begin)),
    /** Settles what was left unfinished, now and whenever the deployment has refused a turn's end. */
    settle: Effect.forever(Effect.andThen(settleAll(ids), Effect.delay(Queue.take(unfinished), pause))),
    /** Waits until nothing runs. */
    idle: FiberMap.awaitEmpty(running)
  }
})
