/** Takes the undo of a session back. OpenCode restores the whole directory as it was before the undo. */
import { relative } from "node:path"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { Effect, Option } from "effect"
import { busy, failed } from "../actionFailure.ts"
import { fitting, named } from "./fileList.ts"
import { directoryFingerprints, type Fingerprints } from "../../opencode/fileHashes.ts"
import { makeJournal, type Undone } from "./journal.ts"

/** The files that are neither as the undo left them nor as a redo restores them. */
export const changedSince = (
  { after, before }: Pick<Undone, "before"> & { after: Undone["before"] },
  now: Fingerprints
) =>
  [...new Set([...Object.keys(after), ...now.keys()])].filter((path) => {
    const found = now.get(path) ?? null
    return found !== (after[path] ?? null) && (found === null || found !== before[path])
  })

/** Null: the changes since are not known. */
const changesSince = Effect.fnUntraced(function* (root: string, undone: Undone | undefined) {
  const { directory } = yield* OpenCodeHost
  if (undone === undefined || undone.after === null) return null
  const now = yield* directoryFingerprints(directory, root)
  return now && changedSince({ before: undone.before, after: undone.after }, now)
})

export const redo = Effect.fnUntraced(function* (
  root: string,
  id: string,
  { force, preview }: { readonly force: boolean; readonly preview: boolean }
) {
  const { client, directory } = yield* OpenCodeHost
  const journal = makeJournal(root, id)
  const { revert } = yield* client.sessions.get(id)
  if (revert === undefined) return yield* failed("Nothing is undone in this session.")
  const undone = Option.getOrUndefined(
    Option.filter(yield* journal.readUndone, ({ messageId }) => messageId === revert.messageID)
  )
  const changed = yield* changesSince(root, undone)
  if (changed === null && !force && !preview) {
    return yield* failed(
      undone === undefined
        ? "This worker did not make this undo, so changes since are not known. Set force to overwrite them."
        : "The directory has too many files to look at, so changes since the undo are not known. Set force to overwrite them."
    )
  }
  const names = (changed ?? []).map((path) => relative(directory, path))
  const listed = fitting(names.map((file) => ({ file, changed: true })))
  if (preview) return { ...listed, redone: false }
  if (names.length > 0 && !force) {
    return yield* failed(
      `Changed since the undo, so nothing was restored: ${named(names)}. Set force to overwrite them.`,
      { ...listed, redone: false }
    )
  }
  if (undone !== undefined) yield* journal.remember({ ...undone, isRedoing: true })
  yield* Effect.tapError(busy(client.actions.unrevert(id)), () => Effect.ignore(settleRedo(root, id)))
  yield* journal.forget
  return { ...listed, redone: true }
})

/** Completes a redo that OpenCode may have begun, unless a person has changed files since. */
export const settleRedo = Effect.fnUntraced(function* (root: string, id: string) {
  const journal = makeJournal(root, id)
  const undone = Option.getOrUndefined(Option.filter(yield* journal.readUndone, ({ isRedoing }) => isRedoing))
  if (undone === undefined) return
  const { client } = yield* OpenCodeHost
  const session = yield* Effect.catchReason(
    Effect.asSome(client.sessions.get(id)),
    "HostError",
    "NotFound",
    () => Effect.succeedNone
  )
  if (!Option.exists(session, ({ revert }) => revert?.messageID === undone.messageId)) return yield* journal.forget
  const changed = yield* changesSince(root, undone)
  if (changed === null || changed.length > 0) {
    yield* Effect.logWarning(
      `A redo was interrupted, and files were changed since. Redo the session again to complete it.`
    )
    return yield* journal.remember({ ...undone, isRedoing: false })
  }
  yield* client.actions.unrevert(id)
  yield* journal.forget
})
