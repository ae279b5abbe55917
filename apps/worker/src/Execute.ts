/**
 * What a worker does when an operator tells it to. Doing each twice is doing it once.
 *
 * @since 0.1.0
 */
import { api } from "@opencode-worker/convex-backend/api"
import { type ConvexSyncError, History, Lease, type QueuedCommand } from "@opencode-worker/convex-sync"
import { ModelCache } from "@opencode-worker/model-cache"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { WorkerEvent, type WorkerState } from "@opencode-worker/worker-fsm"
import type { Actor } from "@opencode-worker/worker-fsm/machine"
import { Data, Effect, Option } from "effect"
import { openCodeHistory } from "./OpenCodeHistory.ts"
import { RunningTurns } from "./RunningTurns.ts"
import { assigned, madeBefore, Sessions } from "./Sessions.ts"

const { Drain, Pause, Resume } = WorkerEvent.cases

/** It was deleted here before. */
const isGone = ({ reason }: ConvexSyncError) => reason._tag === "Rejected" && reason.code === "NotFound"

/** Somebody deleted the conversation at OpenCode's own terminal. */
class DeletedThere extends Data.TaggedError("DeletedThere") {
  override readonly message = "OpenCode has deleted this conversation."
}

/** No event may have told of it: it is told now. */
const forget = Effect.fnUntraced(function* (opencodeSessionId: string) {
  const { mutation } = yield* Lease
  yield* mutation(api.sync.forget, { opencodeSessionIds: [opencodeSessionId] })
  return yield* new DeletedThere()
})

/**
 * Carries out one command. `actor` is the worker's own life.
 *
 * @category operations
 * @since 0.1.0
 */
export const execute = Effect.fn("Worker.execute")(function* (
  { command }: QueuedCommand,
  actor: Actor.Actor<WorkerState, WorkerEvent>
) {
  const { abort, client } = yield* OpenCodeHost
  const models = yield* ModelCache
  const running = yield* RunningTurns
  const sessions = yield* Sessions
  switch (command.kind) {
    case "abort":
      return yield* running.abort(command.turnId)
    case "rename": {
      // Without a session in OpenCode the title is used when there is one.
      const { opencodeSessionId: id } = yield* assigned(command.sessionId)
      if (id === null) return
      return yield* Effect.catchReason(client.sessions.rename(id, command.title), "HostError", "NotFound", () =>
        forget(id)
      )
    }
    case "delete": {
      // Nothing begins in it any more. What runs may be about to make its session: that has an end before it is looked for.
      yield* running.abortIn(command.sessionId)
      yield* sessions.invalidate(command.sessionId)
      const known = yield* Effect.catchIf(Effect.asSome(assigned(command.sessionId)), isGone, () => Effect.succeedNone)
      if (Option.isNone(known)) return
      const { createdAt, opencodeSessionId } = known.value
      const id = opencodeSessionId ?? Option.getOrUndefined(yield* madeBefore(command.sessionId, createdAt))?.id
      if (id === undefined) return
      return yield* Effect.andThen(abort(id), client.sessions.remove(id)).pipe(
        Effect.catchReason("HostError", "NotFound", () => Effect.void)
      )
    }
    case "refreshModels":
      return yield* models.refresh
    case "pause":
      return yield* actor.send(Pause.make({}))
    case "resume":
      return yield* actor.send(Resume.make({}))
    case "drain":
      // It ends what carries out commands, too: so it begins when this one is answered.
      return yield* Effect.forkDetach(Effect.ignore(actor.send(Drain.make({}))))
    case "loadHistory": {
      // Without a session in OpenCode nothing was said there.
      const { opencodeSessionId: id } = yield* assigned(command.sessionId)
      if (id === null) return
      yield* Effect.catchReason(client.sessions.get(id), "HostError", "NotFound", () => forget(id))
      return yield* History.load(command.sessionId, yield* openCodeHistory(id))
    }
  }
})
