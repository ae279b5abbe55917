/** The files that a turn has changed, from OpenCode's record and from the disk. */
import { relative, resolve } from "node:path"
import type { TurnResult } from "@opencode-worker/convex-sync"
import { MAX_CHANGED_FILES, MAX_NAME, MAX_PATCH } from "@opencode-worker/convex-backend/limits"
import { type AssistantWithParts, type FileDiff, OpenCodeHost } from "@opencode-worker/opencode-host"
import { Effect, Schedule } from "effect"
import { hashOf } from "./fileHashes.ts"

/** OpenCode computes the patches of a turn shortly after its end. On a loaded machine that takes seconds. */
const whileComputing = Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration: "10 seconds" }))
/** The first patches may be those of the first steps. A file that a later step restored never has one. */
const whileIncomplete = Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration: "3 seconds" }))

/** The absolute paths that the steps of a turn have written. An undo rewrites them. */
export const writtenFiles = (messages: ReadonlyArray<AssistantWithParts>): ReadonlyArray<string> => [
  ...new Set(messages.flatMap(({ parts }) => parts.flatMap((part) => (part.type === "patch" ? part.files : []))))
]

/** Undefined: the turn has changed no file. */
export const turnChanges = Effect.fn("OpenCode.turnChanges")(function* (
  { messageId, sessionId }: { readonly messageId: string; readonly sessionId: string },
  messages: ReadonlyArray<AssistantWithParts>
): Effect.fn.Return<TurnResult.TurnResult["changes"], never, OpenCodeHost> {
  const paths = writtenFiles(messages)
  if (paths.length === 0) return undefined
  const { client, directory } = yield* OpenCodeHost
  /** OpenCode names files from the root of the repository. */
  const diffOf = (found: ReadonlyArray<FileDiff>, path: string) =>
    found.find(({ file }) => file !== undefined && (path === resolve(directory, file) || path.endsWith(`/${file}`)))
  const diffs = yield* client.actions.diff(sessionId, messageId).pipe(
    Effect.repeat({ until: (found) => found.length > 0, schedule: whileComputing }),
    Effect.repeat({
      until: (found) => found.length === 0 || paths.every((path) => diffOf(found, path) !== undefined),
      schedule: whileIncomplete
    }),
    Effect.orElseSucceed(() => [])
  )
  const kept = paths.filter((path) => relative(directory, path).length <= MAX_NAME).slice(0, MAX_CHANGED_FILES)
  let patch = ""
  let truncated = kept.length < paths.length
  const files = yield* Effect.forEach(kept, (path) =>
    Effect.map(hashOf(path), (hash) => {
      const diff = diffOf(diffs, path)
      const text = diff?.patch === undefined ? "" : `${diff.patch.trimEnd()}\n`
      if (patch.length + text.length > MAX_PATCH) truncated = true
      else patch += text
      return {
        file: relative(directory, path),
        status: diff?.status ?? (hash === null ? ("deleted" as const) : ("modified" as const)),
        additions: diff?.additions ?? 0,
        deletions: diff?.deletions ?? 0,
        hash
      }
    })
  )
  return { files, patch, truncated }
})
