/** The events of a turn as a stream, with little work for each piece of text. */
import type { AgentEvent } from "@opencode-worker/convex-sync"
import type { TurnEvent } from "@opencode-worker/opencode-host"
import { Array as Arr, type Duration, Effect, Fiber, type Pull, Stream } from "effect"

type Emitted = Arr.NonEmptyReadonlyArray<AgentEvent>

const isText = (event: TurnEvent): event is Extract<TurnEvent, { readonly _tag: "TextDelta" }> =>
  event._tag === "TextDelta"

/** Text as it is, and other events by `map`, one after the other. */
export const mapEvents = <E, E2, R>(
  events: Stream.Stream<TurnEvent, E>,
  map: (event: TurnEvent) => Effect.Effect<ReadonlyArray<AgentEvent>, E2, R>
): Stream.Stream<AgentEvent, E | E2, R> =>
  Stream.transformPull(events, (pull) => {
    const next: Pull.Pull<Emitted, E | E2, void, R> = Effect.flatMap(pull, (taken) => {
      if (taken.every(isText)) return Effect.succeed(Arr.map(taken, (event) => ({ ...event, text: event.delta })))
      return Effect.flatMap(Effect.forEach(taken, map), (mapped) => {
        const found = mapped.flat()
        return Arr.isArrayNonEmpty(found) ? Effect.succeed(found) : next
      })
    })
    return Effect.succeed(next)
  })

/** Emits `event` after this time if `isDue` then. Once it is not due, elements pass without a fiber of their own. */
export const emitAfter =
  (after: Duration.Input, event: AgentEvent, isDue: () => boolean) =>
  <E, R>(events: Stream.Stream<AgentEvent, E, R>): Stream.Stream<AgentEvent, E, R> =>
    Stream.transformPull(events, (pull, scope) =>
      Effect.gen(function* () {
        const time = yield* Effect.forkIn(Effect.sleep(after), scope)
        let isOver = false
        let running: Fiber.Fiber<Emitted, Effect.Error<typeof pull>> | undefined
        const joined = Effect.suspend(() => {
          const fiber = running!
          return Effect.onExit(Fiber.join(fiber), () =>
            Effect.sync(() => {
              if (fiber.pollUnsafe() !== undefined) running = undefined
            })
          )
        })
        const next: Pull.Pull<Emitted, E> = Effect.suspend(() => {
          if (running === undefined && (isOver || !isDue())) return pull
          if (isOver || !isDue()) return joined
          const begun =
            running === undefined
              ? Effect.map(Effect.forkIn(pull, scope), (fiber) => {
                  running = fiber
                })
              : Effect.void
          const timed = Effect.as(Fiber.join(time), undefined)
          return Effect.flatMap(Effect.andThen(begun, Effect.raceFirst(joined, timed)), (found) => {
            if (found !== undefined) return Effect.succeed(found)
            isOver = true
            return isDue() ? Effect.succeed(Arr.of(event)) : next
          })
        })
        return next
      })
    )
