/**
 * What a worker does when an operator tells it to. Doing each twice is doing it once.
 *
 * @since 0.1.0
 */
import { History, type QueuedCommand } from "@opencode-worker/convex-sync"
import { ModelCache } from "@opencode-worker/model-cache"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { type Actor, WorkerEvent, type WorkerState } from "@opencode-worker/worker-fsm"
import { Effect } from "effect"
import { openCodeHistory } from "./OpenCodeHistory.ts"
import { RunningTurns } from "./RunningTurns.ts"
import { Sessions } from "./Sessions.ts"

const { Drain, Pause, Resume } = WorkerEvent.cases

/**
 * Carries out one command. `actor` is the worker's own life.
 *
 * @category operations
 * @since 0.1.0
 */
export const execute = Effect.fn("Worker.execute")(function* (
  { command, opencodeSessionId }: QueuedCommand,
  actor: Actor.Actor<WorkerState, WorkerEvent>
) {
  const { abort, client } = yield* OpenCodeHost
  const models = yield* ModelCache
  const sessions = yield* Sessions
  switch (command.kind) {
    case "abort":
      return yield* (yield* RunningTurns).abort(command.turnId)
    case "rename":
      // Without a session in OpenCode the title is used when there is one.
      if (opencodeSessionId !== null) yield* client.sessions.rename(opencodeSessionId, command.title)
      return
    case "delete":
      if (opencodeSessionId !== null) {
        yield* abort(opencodeSessionId)
        yield* Effect.catchReason(client.sessions.remove(opencodeSessionId), "HostError", "NotFound", () => Effect.void)
      }
      return yield* sessions.invalidate(command.sessionId)
    case "refreshModels":
      return yield* models.refresh
    case "pause":
      return yield* actor.send(Pause.make({}))
    case "resume":
      return yield* actor.send(Resume.make({}))
    case "drain":
      // It ends what carries out commands, too: so it begins when this one is answered.
      return yield* Effect.forkDetach(Effect.ignore(actor.send(Drain.make({}))))
    case "loadHistory":
      // Without a session in OpenCode nothing was said there.
      if (opencodeSessionId === null) return
      return yield* History.load(command.sessionId, yield* openCodeHistory(opencodeSessionId))
  }
})
