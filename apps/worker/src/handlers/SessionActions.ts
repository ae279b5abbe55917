/** Actions on a session in OpenCode. None of them is repeated after a crash. */
import { api } from "@opencode-worker/convex-backend/api"
import { History, Lease } from "@opencode-worker/convex-sync"
import { OpenCodeHost, type OpenCodeMessage } from "@opencode-worker/opencode-host"
import { Effect, Schedule } from "effect"
import { openCodeHistory } from "../opencode/history.ts"
import { type ActionOf, busy, failed, notInOpenCode } from "./actionFailure.ts"
import { runShell } from "./ShellAction.ts"
import type { Undos } from "./undo/Undos.ts"

type Action = ActionOf<"undo" | "redo" | "fork" | "compact" | "shell">

export interface ActionOptions {
  readonly undos: Undos
  /** See `WorkerOptions`. */
  readonly allowShell: boolean
}

const fork = Effect.fnUntraced(function* (id: string, { turnId }: ActionOf<"fork">) {
  const { client } = yield* OpenCodeHost
  const { mutation, query } = yield* Lease
  const messageId = turnId === undefined ? undefined : (yield* query(api.changes.since, { turnId })).messageId
  const copy = yield* busy(client.actions.fork(id, messageId ?? undefined))
  // The copy has the metadata of its origin, which names another session of the deployment.
  yield* busy(client.actions.setMetadata(copy.id, {}))
  const session = { opencodeSessionId: copy.id, title: copy.title.slice(0, 500), updatedAt: copy.time.updated }
  const sessionId = yield* mutation(api.sync.adopt, { session })
  yield* History.load(sessionId, yield* openCodeHistory(copy.id))
  return { sessionId }
})

const modelOf = (messages: ReadonlyArray<{ readonly info: OpenCodeMessage }>): string | undefined =>
  messages.flatMap(({ info }) => (info.role === "assistant" ? [`${info.providerID}/${info.modelID}`] : [])).at(-1)

const compact = Effect.fnUntraced(function* (id: string) {
  const { client } = yield* OpenCodeHost
  const model = modelOf((yield* client.messages.list(id, { limit: 20 })).messages)
  if (model === undefined) return yield* failed("There is nothing to compact: the session has no answer yet.")
  const isIdle = Effect.map(client.sessions.status, (status) => status[id] === undefined)
  if (!(yield* isIdle))
    return yield* failed("OpenCode works in this session. Wait until its turn has ended, or stop it.")
  yield* client.actions.compact(id, model).pipe(
    // It goes on.
    Effect.catchReason("HostError", "Timeout", () => Effect.void)
  )
  yield* Effect.repeat(isIdle, { until: (idle) => idle, schedule: Schedule.spaced("1 second") })
  return undefined
})

export const sessionAction = Effect.fnUntraced(function* (command: Action, { allowShell, undos }: ActionOptions) {
  const lease = yield* Lease
  const { opencodeSessionId: id } = yield* lease.query(api.sessions.getForWorker, { sessionId: command.sessionId })
  if (id === null) return yield* notInOpenCode
  switch (command.kind) {
    case "undo":
      return yield* undos.undo(id, command)
    case "redo":
      return yield* undos.redo(id, command)
    case "fork":
      return yield* fork(id, command)
    case "compact":
      return yield* compact(id)
    case "shell":
      return yield* runShell(command.sessionId, id, command.line, allowShell)
  }
})
