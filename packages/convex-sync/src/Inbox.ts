/**
 * The turns that wait for this worker, and the work on them.
 *
 * The deployment shows a bounded window: the oldest turns that can run now, one a session. So the cost does not depend on
 * how many turns there are or were, and claiming is what moves the window on.
 *
 * ```
 *   shown ─▶ begun ─▶ its work ends ─┬─ not shown any more ─▶ forgotten: shown again, it is begun at once
 *              ▲                     └─ still shown ─▶ 5 s ─┐
 *              └────────────────────────────────────────────┘
 * ```
 *
 * Invariant: what the window that came last shows is begun here or will be. So a window that nobody saw, and a claim that
 * failed, cost time and no turn.
 *
 * @since 0.1.0
 */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import type { FunctionReturnType } from "convex/server"
import { Cause, Context, Effect, Layer, Stream } from "effect"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import { lasting } from "./internal/lasting.ts"
import { inboxOver } from "./internal/overLease.ts"
import { Lease } from "./Lease.ts"

/**
 * @category models
 * @since 0.1.0
 */
export type ReadyTurn = FunctionReturnType<typeof backendApi.queue.ready>[number]

/**
 * The ids that a prompt has in OpenCode, however often it is sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface PromptIds {
  readonly messageId: string
  readonly partId: string
}

/**
 * What an inbox needs from a deployment.
 *
 * @category ports
 * @since 0.1.0
 */
export interface InboxPort {
  /** The window now, and after each change the one of then; what came between two of them may be left out. */
  readonly windows: Stream.Stream<ReadonlyArray<ReadyTurn>, ConvexSyncError>
  readonly claim: (turnId: Id<"turns">, ids: PromptIds) => Effect.Effect<boolean, ConvexSyncError>
}

/**
 * @category services
 * @since 0.1.0
 */
export class Inbox extends Context.Service<
  Inbox,
  {
    /**
     * Does `work` for each turn that is ready, beside each other, the oldest begun first, for ever; once at a time for a
     * turn. Work that leaves its turn ready, because the claim failed, is begun again 5 seconds later; so is the work on a
     * turn that was queued again meanwhile. What work fails with is logged. Fails when the lease is lost; a subscription
     * that fails otherwise is begun again. Run it once a process.
     */
    readonly run: <E, R>(
      work: (turn: ReadyTurn) => Effect.Effect<unknown, E, R>
    ) => Effect.Effect<void, ConvexSyncError, R>
    /**
     * Takes a turn. False: it is not ready any more, or another process has it. Safe to call again with the same ids
     * after `Unreachable` or `Timeout`.
     */
    readonly claim: (turnId: Id<"turns">, ids: PromptIds) => Effect.Effect<boolean, ConvexSyncError>
  }
>()("@opencode-worker/convex-sync/Inbox") {
  /** An inbox over any deployment. */
  static readonly make = (port: InboxPort): Inbox["Service"] =>
    Inbox.of({ run: (work) => Effect.scoped(run(port, work)), claim: port.claim })

  /** Over the lease. `limit`: turns shown at once, 1 to 20; default 20. */
  static readonly layer = (options?: { readonly limit?: number }): Layer.Layer<Inbox, never, Lease> =>
    Layer.effect(
      Inbox,
      Effect.map(Lease, (lease) => Inbox.make(inboxOver(lease, options?.limit)))
    )
}

/** Between two tries of one turn: what ails its claim may be mended, but not soon. */
const respite = "5 seconds"

/** A turn that fails concerns no other. */
const logged = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.catchCause(work, (cause) =>
    Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logWarning("The work on a turn failed", cause)
  )

const run = Effect.fnUntraced(function* <E, R>(
  { windows }: InboxPort,
  work: (turn: ReadyTurn) => Effect.Effect<unknown, E, R>
) {
  let shown: ReadonlyMap<string, ReadyTurn> = new Map()
  const begun = new Set<string>()

  const attend = Effect.fnUntraced(function* (turnId: string) {
    for (let turn = shown.get(turnId); turn !== undefined; turn = shown.get(turnId)) {
      yield* logged(work(turn))
      if (shown.has(turnId)) yield* Effect.sleep(respite)
    }
    // In one step with the look before it: a window either was seen there, or finds the turn forgotten.
    begun.delete(turnId)
  })

  yield* lasting(windows).pipe(
    Stream.runForEach((window) => {
      shown = new Map(window.map((turn) => [turn.turnId, turn]))
      const fresh = [...shown.keys()].filter((turnId) => !begun.has(turnId))
      for (const turnId of fresh) begun.add(turnId)
      return Effect.forEach(fresh, (turnId) => Effect.forkScoped(attend(turnId)), { discard: true })
    })
  )
})
