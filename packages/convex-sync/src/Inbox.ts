/**
 * The turns that wait for this worker, as a stream.
 *
 * The deployment shows a bounded window: the oldest turns that can run now, one a session. So the cost does not depend on
 * how many turns there are or were, and claiming is what moves the window on.
 *
 * @since 0.1.0
 */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import type { FunctionReturnType } from "convex/server"
import { Context, Effect, Layer, Stream } from "effect"
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
  readonly partIds: ReadonlyArray<string>
}

/**
 * What an inbox needs from a deployment.
 *
 * @category ports
 * @since 0.1.0
 */
export interface InboxPort {
  /** The window now, and each later one. */
  readonly windows: Stream.Stream<ReadonlyArray<ReadyTurn>, ConvexSyncError>
  readonly claim: (turnId: Id<"turns">, ids: PromptIds) => Effect.Effect<boolean, ConvexSyncError>
}

/**
 * What a window brings that the one before had not, and what to compare the next one with. A turn that left and came
 * back, because it was queued again, is new again.
 *
 * @category operations
 * @since 0.1.0
 */
export const news = <Turn extends { readonly turnId: string }>(
  before: ReadonlySet<string>,
  window: ReadonlyArray<Turn>
): readonly [ReadonlySet<string>, ReadonlyArray<Turn>] => [
  new Set(window.map((turn) => turn.turnId)),
  window.filter((turn) => !before.has(turn.turnId))
]

/**
 * @category services
 * @since 0.1.0
 */
export class Inbox extends Context.Service<
  Inbox,
  {
    /**
     * Each turn once while it is ready, the oldest first. A slow consumer holds up nothing: it finds the latest window
     * when it comes back. Fails when the lease is lost; a subscription that fails otherwise is begun again.
     */
    readonly turns: Stream.Stream<ReadyTurn, ConvexSyncError>
    /**
     * Takes a turn. False: it is not ready any more, or another process has it. Safe to call again with the same ids
     * after `Unreachable` or `Timeout`.
     */
    readonly claim: (turnId: Id<"turns">, ids: PromptIds) => Effect.Effect<boolean, ConvexSyncError>
  }
>()("@opencode-worker/convex-sync/Inbox") {
  /** An inbox over any deployment. */
  static readonly make = (port: InboxPort): Inbox["Service"] =>
    Inbox.of({
      turns: lasting(port.windows).pipe(Stream.mapAccum((): ReadonlySet<string> => new Set<string>(), news)),
      claim: port.claim
    })

  /** Over the lease. `limit`: turns shown at once, 1 to 20; default 20. */
  static readonly layer = (options?: { readonly limit?: number }): Layer.Layer<Inbox, never, Lease> =>
    Layer.effect(
      Inbox,
      Effect.map(Lease, (lease) => Inbox.make(inboxOver(lease, options?.limit)))
    )
}
