/** Calls of whichever client there is: how long they may take, and how many are under way. */
import type { ConvexClient as Client } from "convex/browser"
import { Deferred, Duration, Effect, Exit, Fiber, Option, Scope, Semaphore } from "effect"
import { ConvexSyncError, Timeout, Unreachable } from "../ConvexSyncError.ts"
import { fromCause } from "./failure.ts"
import type { replaceable } from "./replaceable.ts"

/**
 * The deployment queues at most 1,000 mutations of one connection, and resets the connection beyond; a fraction of that
 * keeps them ordered and bounds what is resent after a reconnect.
 */
const maxInFlight = 100

type Clients = Effect.Success<ReturnType<typeof replaceable>>

/** Every call ends when `closed` fails, with its error. */
export const makeCalls = Effect.fnUntraced(function* (
  clients: Clients,
  closed: Deferred.Deferred<never, ConvexSyncError>
) {
  const requests = yield* Scope.make()
  const untilClosed = <A>(call: Effect.Effect<A, ConvexSyncError>) =>
    Effect.flatMap(Deferred.isDone(closed), (is) => (is ? Effect.never : call)).pipe(
      Effect.raceFirst(Deferred.await(closed))
    )
  /** The deployment left something unanswered for that long. */
  const silent = (limit: Duration.Input) =>
    Effect.gen(function* () {
      const millis = Duration.toMillis(limit)
      if (!clients.isConnected()) return new Unreachable({ millis })
      yield* clients.unanswered
      return new Timeout({ millis })
    })
  const within = <A>(operation: string, limit: Duration.Input, call: Effect.Effect<A, ConvexSyncError>) => {
    // Before the call is given up, not after: then the client speaks, which would look as if the connection were busy.
    const failed = Effect.flatMap(silent(limit), (reason) => new ConvexSyncError({ operation, reason }))
    return Effect.raceFirst(untilClosed(call), Effect.delay(failed, limit)).pipe(
      Effect.withSpan(operation, { kind: "client" })
    )
  }

  // A permit is held until the deployment answered, not until the caller lost patience: it counts what the client keeps.
  const inFlight = yield* Semaphore.make(maxInFlight)
  /** The answer, or nothing where its client is dead: then there will be none. */
  const send = <A>(operation: string, args: unknown, start: (client: Client) => Promise<A>) =>
    Effect.uninterruptibleMask((restore) =>
      restore(Effect.andThen(clients.whenAlive, inFlight.take(1))).pipe(
        Effect.andThen(
          Effect.suspend(() => {
            const { client, dead } = clients.now()
            const answer = Effect.tryPromise({
              try: () => {
                const answered = start(client)
                return answered.finally(clients.sentCall())
              },
              catch: (cause) => fromCause(operation, args, cause)
            })
            const lost = Effect.as(Deferred.await(dead), Option.none<A>())
            return Effect.raceFirst(Effect.asSome(answer), lost).pipe(
              Effect.interruptible,
              Effect.ensuring(inFlight.release(1)),
              Effect.forkIn(requests)
            )
          })
        ),
        Effect.flatMap((fiber) => restore(Fiber.join(fiber)))
      )
    )
  /** Its caller waits for the limit, as for any answer that does not come. */
  const sendOnce = <A>(...call: Parameters<typeof send<A>>) =>
    Effect.flatMap(send(...call), Option.match({ onNone: () => Effect.never, onSome: Effect.succeed }))
  /** One copy is under way at any time: the client itself sends again what a broken connection left unanswered. */
  const sendUntilAnswered = <A>(limit: Duration.Input, ...call: Parameters<typeof send<A>>) => {
    const answer: Effect.Effect<A, ConvexSyncError> = Effect.flatMap(
      send(...call),
      Option.match({ onNone: () => Effect.suspend(() => answer), onSome: Effect.succeed })
    )
    const watch = Effect.forever(Effect.delay(silent(limit), limit))
    return untilClosed(Effect.raceFirst(answer, watch)).pipe(Effect.withSpan(call[0], { kind: "client" }))
  }

  return {
    /** Forgets what is unanswered. */
    end: Scope.close(requests, Exit.void),
    /** A call that fails at its limit. */
    within,
    sendOnce,
    sendUntilAnswered
  }
})
