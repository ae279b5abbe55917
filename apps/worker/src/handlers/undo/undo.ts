/** Undoes a turn and all later ones of a session. See `journal.ts` for how a process may end in between. */
import { relative, resolve } from "node:path"
import { api } from "@opencode-worker/convex-backend/api"
import { Lease } from "@opencode-worker/convex-sync"
import { OpenCodeHost, recordedTurns } from "@opencode-worker/opencode-host"
import { Effect, Option, Schedule, Stream } from "effect"
import { writtenFiles } from "../../opencode/changes.ts"
import { type ActionOf, busy, failed, notInOpenCode } from "../actionFailure.ts"
import { fitting, named } from "./fileList.ts"
import { directoryFingerprints, hashOf } from "../../opencode/fileHashes.ts"
import { type Undoing, makeJournal } from "./journal.ts"
import { keep, restore } from "./kept.ts"
import { redo } from "./redo.ts"

/** Whether a path is one of the named files, or inside of a named folder. */
const isNamed = (directory: string, names: ReadonlyArray<string>, path: string) =>
  names.some((name) => {
    const inside = relative(resolve(directory, name), path)
    return inside === "" || !/^\.\.(?:\/|$)/.test(inside)
  })

/** OpenCode's record decides which files it would rewrite. */
const rewrittenFiles = Effect.fnUntraced(function* (id: string, messageId: string) {
  const { client } = yield* OpenCodeHost
  const turns = yield* Stream.runCollect(
    Stream.takeUntil(recordedTurns(client, id), ({ prompt }) => prompt.info.id === messageId)
  )
  if (turns.at(-1)?.prompt.info.id !== messageId) return yield* failed("OpenCode no longer has this prompt.")
  return writtenFiles(turns.toReversed().flatMap(({ messages }) => messages))
})

/**
 * Completes an undo that OpenCode has recorded, and takes back any other one, so that no file is left half reverted. Does
 * nothing if none was begun.
 */
export const settle = Effect.fnUntraced(function* (root: string, id: string) {
  const journal = makeJournal(root, id)
  const found = yield* journal.readUndoing
  if (Option.isNone(found)) return
  const undoing: Undoing = found.value
  const { client, directory } = yield* OpenCodeHost
  const session = yield* Effect.catchReason(
    Effect.asSome(client.sessions.get(id)),
    "HostError",
    "NotFound",
    () => Effect.succeedNone
  )
  const isUndone = Option.exists(session, ({ revert }) => revert?.messageID === undoing.messageId)
  const files = undoing.files.filter(({ isSkipped }) => isSkipped || !isUndone)
  const left = yield* Effect.filter(files, (file) =>
    Effect.match(restore(file, journal.copies, undoing.at), {
      onSuccess: () => undefined,
      onFailure: (reason) => `${file.path} (${reason})`
    }).pipe(
      Effect.tap((why) => (why === undefined ? Effect.void : Effect.logWarning(`Not restored: ${why}`))),
      Effect.map((why) => why !== undefined)
    )
  )
  if (isUndone) {
    const after = yield* directoryFingerprints(directory, root)
    yield* journal.remember({
      messageId: undoing.messageId,
      before: Object.fromEntries(undoing.files.map(({ fingerprint, path }) => [path, fingerprint])),
      after: after && Object.fromEntries(after),
      isRedoing: false
    })
  }
  const place = yield* journal.end(undoing, left.length > 0)
  if (left.length > 0) {
    yield* Effect.logWarning(`An undo could not restore ${left.length} files. Their copies are in ${place}`)
  }
})

export const undo = Effect.fnUntraced(function* (
  root: string,
  id: string,
  { force, preview, skip, turnId }: ActionOf<"undo">
) {
  const { client, directory } = yield* OpenCodeHost
  const { query } = yield* Lease
  const { changes, messageId } = yield* query(api.changes.since, { turnId })
  if (messageId === null) return yield* notInOpenCode
  const journal = makeJournal(root, id)
  const earlier = (yield* client.sessions.get(id)).revert
  if (earlier?.messageID === messageId) return { files: [], undone: true }
  if (earlier !== undefined && !preview) {
    // OpenCode restores the whole directory first.
    yield* redo(root, id, { force: isNamed(directory, force, directory), preview: false })
  }
  const undone = Option.getOrUndefined(yield* journal.readUndone)
  const paths = yield* rewrittenFiles(id, messageId)
  const known = new Map(changes.flat().map((change) => [change.file, change]))
  const files = yield* Effect.forEach(
    paths,
    (path) =>
      Effect.map(hashOf(path), (hash) => {
        const file = relative(directory, path)
        const change = known.get(file)
        const isTurns = change !== undefined && change.hash !== "" && change.hash === hash
        const isUndone = hash !== "" && undone?.after?.[path] === hash
        return { path, file, status: change?.status ?? "modified", changed: !isTurns && !isUndone }
      }),
    { concurrency: 16 }
  )
  const listed = fitting(files.map(({ changed, file, status }) => ({ file, status, changed })))
  if (preview) return { ...listed, undone: false }
  const refused = files.filter(
    ({ changed, path }) => changed && !isNamed(directory, skip, path) && !isNamed(directory, force, path)
  )
  if (refused.length > 0) {
    const names = named(refused.map(({ file }) => file))
    return yield* failed(`Changed since the turn, so nothing was undone: ${names}. Skip or force them.`, {
      ...listed,
      undone: false
    })
  }
  yield* journal.prepare
  // Only files that OpenCode would rewrite: a name of an operator may lead anywhere.
  const kept = yield* Effect.forEach(
    files,
    ({ file, path }, index) =>
      Effect.mapError(keep(path, isNamed(directory, skip, path), journal.copies, String(index)), (reason) =>
        failed(`Nothing was undone, because ${file} cannot be kept: ${reason}.`)
      ),
    { concurrency: 8 }
  )
  // OpenCode may still revert: its record says when it has ended. A server that was killed never does.
  const recorded = Effect.repeat(client.sessions.get(id), {
    until: ({ revert }) => revert?.messageID === messageId,
    schedule: Schedule.spaced("1 second")
  })
  // Not Effect's clock: it is compared with the times of files.
  yield* journal.begin({ messageId, at: Date.now(), files: kept })
  yield* busy(client.actions.revert(id, messageId)).pipe(
    Effect.catchReason("HostError", "Timeout", () => Effect.timeoutOption(recorded, "1 minute")),
    Effect.tapError(() => Effect.ignore(settle(root, id)))
  )
  yield* settle(root, id)
  if ((yield* client.sessions.get(id)).revert?.messageID !== messageId) {
    return yield* failed("OpenCode did not undo this turn, so its files are as before.", { ...listed, undone: false })
  }
  return { ...listed, undone: true }
})
