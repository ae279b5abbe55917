/**
 * The turns that this process runs, so that an abort finds the one that it is meant for, wherever that is.
 *
 * ```
 *   claimed ── waits for a session, for the server, for its prompt to arrive ──▶ delivered ──▶ ended
 *     └─ abort: its fiber is interrupted, OpenCode is asked what it has            └─ abort: OpenCode stops it
 * ```
 *
 * @since 0.1.0
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import type { ReadyTurn } from "@opencode-worker/convex-sync"
import type { HostError } from "@opencode-worker/opencode-host"
import { Context, Deferred, Effect, Layer, type Scope } from "effect"

/** A turn's own side of it. */
export interface RunningTurn {
  /** Done when the turn is to stop before it is delivered. */
  readonly cancelled: Effect.Effect<void>
  readonly isCancelled: Effect.Effect<boolean>
  /** Whether somebody asked for an abort, before or after the delivery. */
  readonly isAborted: Effect.Effect<boolean>
  readonly isDelivered: Effect.Effect<boolean>
  /** From here on an abort is what `stop` does. */
  readonly delivered: (stop: Effect.Effect<void, HostError>) => Effect.Effect<void>
}

interface Entry {
  readonly sessionId: Id<"sessions">
  aborted: boolean
  delivered: boolean
  stop: Effect.Effect<void, HostError>
  readonly ended: Deferred.Deferred<void>
}

/**
 * @category services
 * @since 0.1.0
 */
export class RunningTurns extends Context.Service<
  RunningTurns,
  {
    /** Those that have entered and not ended. */
    readonly ids: Effect.Effect<ReadonlyArray<Id<"turns">>>
    /** For as long as the scope the turn can be aborted. Begin before the claim, or an abort might come in between. */
    readonly enter: (turn: Pick<ReadyTurn, "sessionId" | "turnId">) => Effect.Effect<RunningTurn, never, Scope.Scope>
    /** Stops a turn, and waits until it has ended here. One that does not run here is left alone: it has ended, or will be settled. */
    readonly abort: (turnId: Id<"turns">) => Effect.Effect<void, HostError>
    /** The same for what runs in a conversation. */
    readonly abortIn: (sessionId: Id<"sessions">) => Effect.Effect<void, HostError>
  }
>()("opencode-worker/RunningTurns") {
  static readonly layer = Layer.sync(RunningTurns, () => {
    const entries = new Map<Id<"turns">, Entry>()
    const abortAll = (meant: (entry: Entry, turnId: Id<"turns">) => boolean) =>
      Effect.suspend(() => {
        const aborted = [...entries].filter(([turnId, entry]) => meant(entry, turnId)).map(([, entry]) => entry)
        for (const entry of aborted) entry.aborted = true
        return Effect.forEach(aborted, ({ ended, stop }) => Effect.andThen(stop, Deferred.await(ended)), {
          discard: true
        })
      })
    return RunningTurns.of({
      ids: Effect.sync(() => [...entries.keys()]),
      enter: Effect.fnUntraced(function* ({ sessionId, turnId }) {
        const cancelled = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<void>()
        const cancel = Effect.asVoid(Deferred.succeed(cancelled, undefined))
        const entry: Entry = { sessionId, aborted: false, delivered: false, stop: cancel, ended }
        yield* Effect.acquireRelease(
          Effect.sync(() => entries.set(turnId, entry)),
          () =>
            Effect.andThen(
              Effect.sync(() => entries.delete(turnId)),
              Deferred.succeed(ended, undefined)
            )
        )
        return {
          cancelled: Deferred.await(cancelled),
          isCancelled: Deferred.isDone(cancelled),
          isAborted: Effect.sync(() => entry.aborted),
          isDelivered: Effect.sync(() => entry.delivered),
          delivered: (stop) =>
            Effect.sync(() => {
              entry.delivered = true
              entry.stop = stop
            })
        }
      }),
      abort: (turnId) => abortAll((_, id) => id === turnId),
      abortIn: (sessionId) => abortAll((entry) => entry.sessionId === sessionId)
    })
  })
}
