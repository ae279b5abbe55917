/** Actions on a session in OpenCode. None of them is repeated after a crash. */
import { relative } from "node:path"
import { api } from "@opencode-worker/convex-backend/api"
import { MAX_CHANGED_FILES } from "@opencode-worker/convex-backend/limits"
import { CommandFailed, History, Lease, type QueuedCommand } from "@opencode-worker/convex-sync"
import { type HostError, OpenCodeHost, type OpenCodeMessage, recordedTurns } from "@opencode-worker/opencode-host"
import { Effect, Schedule, Stream } from "effect"
import { writtenFiles } from "./opencode/changes.ts"
import { changedAfter, hashOf, remember } from "./opencode/files.ts"
import { openCodeHistory } from "./opencode/history.ts"

type CommandOf<Kind> = Extract<QueuedCommand["command"], { readonly kind: Kind }>
type Action = CommandOf<"undo" | "redo" | "fork" | "compact">

const failed = (message: string, result: unknown = null) => new CommandFailed({ message, result })

const notInOpenCode = failed("OpenCode does not have this session yet, or has deleted it.")

/** OpenCode refuses an action while it works in the session. */
const busy = <A, R>(action: Effect.Effect<A, HostError, R>) =>
  Effect.catchReason(action, "HostError", "Protocol", (reason) =>
    reason.status === 409
      ? failed("OpenCode works in this session. Wait until its turn has ended, or stop it.")
      : Effect.fail(failed(reason.message))
  )

/** At most a few names, for the message; the result has all. */
const named = (files: ReadonlyArray<string>) => `${files.slice(0, 5).join(", ")}${files.length > 5 ? ", …" : ""}`

const undo = Effect.fnUntraced(function* (id: string, { force, preview, skip, turnId }: CommandOf<"undo">) {
  const { client, directory } = yield* OpenCodeHost
  const { query } = yield* Lease
  const { changes, messageId } = yield* query(api.changes.since, { turnId })
  if (messageId === null) return yield* notInOpenCode
  // OpenCode's record says which files it would rewrite; the deployment, what the turns wrote last.
  const turns = yield* Stream.runCollect(
    Stream.takeUntil(recordedTurns(client, id), ({ prompt }) => prompt.info.id === messageId)
  )
  if (turns.at(-1)?.prompt.info.id !== messageId) return yield* failed("OpenCode no longer has this prompt.")
  const known = new Map(changes.flat().map((change) => [change.file, change]))
  const paths = writtenFiles(turns.toReversed().flatMap(({ messages }) => messages))
  const files = yield* Effect.forEach(paths.slice(0, MAX_CHANGED_FILES), (path) =>
    Effect.map(hashOf(path), (hash) => {
      const file = relative(directory, path)
      const change = known.get(file)
      const changed = change === undefined || change.hash === "" || change.hash !== hash
      return { file, status: change?.status ?? "modified", changed }
    })
  )
  if (preview) return { files, undone: false }
  if (paths.length > files.length && force.length === 0) {
    return yield* failed(
      `More than ${MAX_CHANGED_FILES} files would be rewritten. Name files in force to undo them all.`
    )
  }
  const refused = files.filter(({ changed, file }) => changed && !skip.includes(file) && !force.includes(file))
  if (refused.length > 0) {
    const names = named(refused.map(({ file }) => file))
    return yield* failed(`Changed since the turn, so nothing was undone: ${names}. Skip or force them.`, {
      files,
      undone: false
    })
  }
  // Only files that OpenCode would rewrite: a name of an operator may lead anywhere.
  const kept = paths.filter((path) => skip.includes(relative(directory, path)))
  const restore = yield* Effect.forEach(kept, (path) =>
    Effect.mapError(remember(path), (reason) =>
      failed(`Nothing was undone, because ${relative(directory, path)} cannot be kept: ${reason}.`)
    )
  )
  yield* busy(client.actions.revert(id, messageId))
  yield* Effect.forEach(restore, (each) => each, { discard: true })
  return { files, undone: true }
})

const redo = Effect.fnUntraced(function* (id: string, { force, preview }: CommandOf<"redo">) {
  const { client, directory } = yield* OpenCodeHost
  const { revert, time } = yield* client.sessions.get(id)
  if (revert === undefined) return yield* failed("Nothing is undone in this session.")
  // OpenCode wrote the session after the files.
  const changed = yield* changedAfter(directory, time.updated, MAX_CHANGED_FILES)
  if (changed === null && !force && !preview) {
    return yield* failed(
      "The directory has too many files to look at, so changes since the undo are not known. Set force to overwrite them."
    )
  }
  const files = (changed ?? []).map((file) => ({ file, changed: true }))
  if (preview) return { files, redone: false }
  if (files.length > 0 && !force) {
    return yield* failed(
      `Changed since the undo, so nothing was restored: ${named(changed ?? [])}. Set force to overwrite them.`,
      {
        files,
        redone: false
      }
    )
  }
  yield* busy(client.actions.unrevert(id))
  return { files, redone: true }
})

const fork = Effect.fnUntraced(function* (id: string, { turnId }: CommandOf<"fork">) {
  const { client } = yield* OpenCodeHost
  const { mutation, query } = yield* Lease
  const messageId = turnId === undefined ? undefined : (yield* query(api.changes.since, { turnId })).messageId
  const copy = yield* busy(client.actions.fork(id, messageId ?? undefined))
  // The copy has the metadata of its origin, which names another conversation.
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

export const sessionAction = Effect.fnUntraced(function* (command: Action) {
  const lease = yield* Lease
  const { opencodeSessionId: id } = yield* lease.query(api.sessions.getForWorker, { sessionId: command.sessionId })
  if (id === null) return yield* notInOpenCode
  switch (command.kind) {
    case "undo":
      return yield* undo(id, command)
    case "redo":
      return yield* redo(id, command)
    case "fork":
      return yield* fork(id, command)
    case "compact":
      return yield* compact(id)
  }
})
