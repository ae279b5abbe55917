/** Executes the commands of operators. Repeating a command has no further effect, except for actions on a session. */
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { type ConvexSyncError, History, Lease, type QueuedCommand, TurnScheduler } from "@opencode-worker/convex-sync"
import { ModelCache } from "@opencode-worker/model-cache"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { WorkerEvent, type WorkerState } from "@opencode-worker/worker-fsm"
import type { Actor } from "@opencode-worker/worker-fsm/machine"
import { Data, Effect, Option } from "effect"
import { Catalog } from "../opencode/catalog.ts"
import { findUnlinked } from "../opencode/openSession.ts"
import { type ActionOptions, sessionAction } from "./SessionActions.ts"
import { openCodeHistory } from "../opencode/history.ts"

const { Drain, Pause, Resume } = WorkerEvent.cases

/** The session was already deleted from the deployment. */
const isNotFound = ({ reason }: ConvexSyncError) => reason._tag === "Rejected" && reason.code === "NotFound"

/** The session was deleted at OpenCode's own terminal. */
class DeletedInOpenCode extends Data.TaggedError("DeletedInOpenCode") {
  override readonly message = "OpenCode has deleted this session."
}

/** The event of the deletion may have been missed, so it is reported now. */
const reportDeleted = Effect.fnUntraced(function* (opencodeSessionId: string) {
  const { mutation } = yield* Lease
  yield* mutation(api.sync.removeDeleted, { opencodeSessionIds: [opencodeSessionId] })
  return yield* new DeletedInOpenCode()
})

/** The session in the deployment. */
const readSession = (sessionId: Id<"sessions">) =>
  Effect.flatMap(Lease, (lease) => lease.query(api.sessions.getForWorker, { sessionId }))

const deleteSession = Effect.fnUntraced(function* (sessionId: Id<"sessions">) {
  const { abort, client } = yield* OpenCodeHost
  const { sessionIdle } = yield* TurnScheduler
  // No turn starts in it, and the deployment aborts the running one, which may be about to create the OpenCode session.
  yield* sessionIdle(sessionId)
  const known = yield* Effect.catchIf(Effect.asSome(readSession(sessionId)), isNotFound, () => Effect.succeedNone)
  if (Option.isNone(known)) return
  const { createdAt, opencodeSessionId } = known.value
  const id = opencodeSessionId ?? Option.getOrUndefined(yield* findUnlinked(sessionId, createdAt))?.id
  if (id === undefined) return
  yield* Effect.andThen(abort(id), client.sessions.remove(id)).pipe(
    Effect.catchReason("HostError", "NotFound", () => Effect.void)
  )
})

/** Executes one command. `actor` is the worker's lifecycle, `options`: for actions on a session. */
export const handleCommand = Effect.fn("Worker.handleCommand")(function* (
  { command }: QueuedCommand,
  actor: Actor.Actor<WorkerState, WorkerEvent>,
  options: ActionOptions
) {
  const { client } = yield* OpenCodeHost
  const models = yield* ModelCache
  switch (command.kind) {
    case "rename": {
      // Without an OpenCode session the title is used when one is created.
      const { opencodeSessionId: id } = yield* readSession(command.sessionId)
      if (id === null) return
      yield* Effect.catchReason(client.sessions.rename(id, command.title), "HostError", "NotFound", () =>
        reportDeleted(id)
      )
      return
    }
    case "delete":
      return yield* deleteSession(command.sessionId)
    case "refreshModels":
      yield* Effect.all([models.refresh, Effect.flatMap(Catalog, ({ refresh }) => refresh)], { concurrency: 2 })
      return
    case "pause":
      yield* actor.send(Pause.make({}))
      return
    case "resume":
      yield* actor.send(Resume.make({}))
      return
    case "drain":
      // Draining ends the fiber that runs this command, so it starts after the command is settled.
      yield* Effect.forkDetach(Effect.ignore(actor.send(Drain.make({}))))
      return
    case "loadHistory": {
      // Without an OpenCode session there is no history.
      const { opencodeSessionId: id } = yield* readSession(command.sessionId)
      if (id === null) return
      yield* Effect.catchReason(client.sessions.get(id), "HostError", "NotFound", () => reportDeleted(id))
      yield* History.load(command.sessionId, yield* openCodeHistory(id))
      return
    }
    case "undo":
    case "redo":
    case "fork":
    case "compact":
    case "shell":
      return yield* sessionAction(command, options)
  }
})
