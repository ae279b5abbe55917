/** Calls through the current client: their time limits, and how many are in flight. */
import type { ConvexClient as Client } from "convex/browser"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { ConvexClientError } from "../ConvexClientError.ts"
import { Timeout, Unreachable } from "../ConvexClientReason.ts"
import { fromCause } from "./fromCause.ts"
import type { reconnectingClient } from "./reconnectingClient.ts"

/**
 * The deployment queues at most 1,000 mutations per connection and resets the connection beyond that. A fraction of it
 * keeps calls ordered and bounds the number of resends after a reconnect.
 */
const maxInFlight = 100

type Clients = Effect.Success<ReturnType<typeof reconnectingClient>>

/** Every call fails when `closed` fails, with its error. */
export const makeCalls = Effect.fnUntraced(function* (
  clients: Clients,
  closed: Deferred.Deferred<never, ConvexClientError>
) {
  const requests = yield* Scope.make()
  const untilClosed = <A>(call: Effect.Effect<A, ConvexClientError>) =>
    Effect.flatMap(Deferred.isDone(closed), (is) => (is ? Effect.never : call)).pipe(
      Effect.raceFirst(Deferred.await(closed))
    )
  const timedOut = (limit: Duration.Input) =>
    Effect.gen(function* () {
      const millis = Duration.toMillis(limit)
      if (!clients.isConnected()) return new Unreachable({ millis })
      yield* clients.onTimeout
      return new Timeout({ millis })
    })
  const withTimeout = <A>(operation: string, limit: Duration.Input, call: Effect.Effect<A, ConvexClientError>) => {
    // Evaluated before the call is interrupted: the interruption makes the client send, which would look like traffic.
    const failed = Effect.flatMap(timedOut(limit), (reason) => new ConvexClientError({ operation, reason }))
    return Effect.raceFirst(untilClosed(call), Effect.delay(failed, limit)).pipe(
      Effect.withSpan(operation, { kind: "client" })
    )
  }

  // A permit is held until the response arrives, not until the caller times out: it counts what the client keeps.
  const inFlight = yield* Semaphore.make(maxInFlight)
  /** The response, or none if its client died: then no response will arrive. */
  const send = <A>(operation: string, args: unknown, start: (client: Client) => Promise<A>) =>
    Effect.uninterruptibleMask((restore) =>
      restore(Effect.andThen(clients.whenAlive, inFlight.take(1))).pipe(
        Effect.andThen(
          Effect.suspend(() => {
            const { client, dead } = clients.current()
            const response = Effect.tryPromise({
              try: () => {
                const responded = start(client)
                return responded.finally(clients.recordCall())
              },
              catch: (cause) => fromCause(operation, args, cause)
            })
            const lost = Effect.as(Deferred.await(dead), Option.none<A>())
            return Effect.raceFirst(Effect.asSome(response), lost).pipe(
              Effect.interruptible,
              Effect.ensuring(inFlight.release(1)),
              Effect.forkIn(requests)
            )
          })
        ),
        Effect.flatMap((fiber) => restore(Fiber.join(fiber)))
      )
    )
  /** Without a response, its caller waits for the time limit. */
  const sendOnce = <A>(...call: Parameters<typeof send<A>>) =>
    Effect.flatMap(send(...call), Option.match({ onNone: () => Effect.never, onSome: Effect.succeed }))
  /** One copy is in flight at any time: the client itself resends after a broken connection. */
  const sendUntilAnswered = <A>(limit: Duration.Input, ...call: Parameters<typeof send<A>>) => {
    const response: Effect.Effect<A, ConvexClientError> = Effect.flatMap(
      send(...call),
      Option.match({ onNone: () => Effect.suspend(() => response), onSome: Effect.succeed })
    )
    const watchdog = Effect.forever(Effect.delay(timedOut(limit), limit))
    return untilClosed(Effect.raceFirst(response, watchdog)).pipe(Effect.withSpan(call[0], { kind: "client" }))
  }

  return {
    /** Drops all calls without a response. */
    end: Scope.close(requests, Exit.void),
    withTimeout,
    sendOnce,
    sendUntilAnswered
  }
})
