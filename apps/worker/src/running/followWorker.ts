/** Keeps the facts of a worker for the health endpoints. */
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import type { WorkerLifecycle, WorkerState } from "@opencode-worker/worker-fsm"
import { Effect, Option, Stream } from "effect"
import type { WorkerFacts } from "../health/RunningWorkers.ts"

interface FollowedWorker {
  readonly lifecycle: Pick<WorkerLifecycle["Service"], "changes">
  readonly epoch: Effect.Effect<Option.Option<number>>
  readonly workerId: Effect.Effect<Option.Option<string>>
}

/** Until the scope closes. `onState` runs after each change. */
export const followWorker = Effect.fnUntraced(function* (
  { epoch, lifecycle, workerId }: FollowedWorker,
  facts: WorkerFacts,
  isAttachable: boolean,
  onState: (state: WorkerState) => Effect.Effect<void>
) {
  const host = yield* OpenCodeHost
  if (isAttachable) facts.server = host.server
  const follow = Effect.fnUntraced(function* (state: WorkerState) {
    facts.epoch = Option.getOrNull(yield* epoch)
    facts.workerId = Option.getOrNull(yield* workerId)
    facts.detail = "detail" in state ? state.detail : null
    facts.state = state._tag
    yield* onState(state)
  })
  yield* Effect.forkScoped(Stream.runForEach(lifecycle.changes, follow))
})
