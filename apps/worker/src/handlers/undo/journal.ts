/**
 * The undos of a worker on its disk, one folder per session of OpenCode.
 *
 * ```
 * <credentials>.undo/<session>/undoing.json   an undo that was begun: what its files had, and which of them stay
 *                              files/         the copies of these files
 *                              undone.json    the undo that is in place: the state of the directory after it
 *                              left-<time>/   copies of files that could not be restored, or that a person changed since
 * ```
 *
 * `undoing.json` is written after the copies and before OpenCode changes a file, and is deleted after the undo is complete or
 * taken back. So a process that ends in between leaves what the next one needs.
 */
import { existsSync } from "node:fs"
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { makePrivateFolder } from "@opencode-worker/convex-embedded/private-files"
import { Effect, Schema } from "effect"
import { fromEmbeddedError } from "../../local/EmbeddedError.ts"
import * as PrivateFile from "../../state/PrivateFile.ts"
import { KeptFile } from "./kept.ts"

const Undoing = Schema.Struct({
  /** The prompt from which OpenCode undoes. */
  messageId: Schema.String,
  /** Milliseconds since 1970. */
  at: Schema.Number,
  files: Schema.Array(KeptFile)
})
export type Undoing = Schema.Schema.Type<typeof Undoing>

const Hashes = Schema.Record(Schema.String, Schema.NullOr(Schema.String))

const Undone = Schema.Struct({
  messageId: Schema.String,
  /** Of the files that the undo rewrote, before it. A redo restores them. */
  before: Hashes,
  /** Of the directory after the undo. Null: it has too many entries. */
  after: Schema.NullOr(Hashes),
  /** OpenCode may have begun to restore the directory. */
  isRedoing: Schema.Boolean
})
export type Undone = Schema.Schema.Type<typeof Undone>

/** Undos that are remembered for a redo. */
const remembered = 50

const disk = <A>(work: () => Promise<A>) => Effect.promise(work)

export const makeJournal = (root: string, session: string) => {
  const folder = join(root, encodeURIComponent(session))
  const copies = join(folder, "files")
  const undoing = join(folder, "undoing.json")
  const undone = join(folder, "undone.json")
  return {
    copies,
    readUndoing: PrivateFile.read(undoing, Undoing),
    readUndone: PrivateFile.read(undone, Undone),
    /** An empty folder for the copies. */
    prepare: Effect.gen(function* () {
      yield* Effect.try({ try: () => makePrivateFolder(folder, () => true), catch: fromEmbeddedError })
      yield* disk(() => rm(copies, { recursive: true, force: true }))
      yield* disk(() => mkdir(copies, { mode: 0o700 }))
    }),
    begin: (content: Undoing) => PrivateFile.write(undoing, Undoing, content),
    remember: (content: Undone) => PrivateFile.write(undone, Undone, content),
    forget: disk(() => rm(undone, { force: true })),
    /** `left`: copies are kept, and their folder is returned. */
    end: ({ at }: Undoing, left: boolean) =>
      disk(async () => {
        const place = join(folder, `left-${at}`)
        if (left) await rename(copies, place).catch(() => undefined)
        await rm(undoing, { force: true })
        await rm(copies, { recursive: true, force: true })
        return place
      })
  }
}

/** The sessions with an undo, the one that was changed last first. */
export const sessionsOf = (root: string) =>
  disk(async () => {
    const names = await readdir(root).catch((): ReadonlyArray<string> => [])
    const found = await Promise.all(
      names.map(async (name) => ({ name, changedAt: (await stat(join(root, name))).mtimeMs }))
    )
    return found.toSorted((a, b) => b.changedAt - a.changedAt).map(({ name }) => decodeURIComponent(name))
  })

/** Deletes the oldest undos. One that is not complete, or with copies for a person, stays. */
export const prune = Effect.fnUntraced(function* (root: string) {
  const sessions = yield* sessionsOf(root)
  yield* disk(async () => {
    for (const session of sessions.slice(remembered)) {
      const folder = join(root, encodeURIComponent(session))
      const entries = await readdir(folder)
      const isComplete = !existsSync(join(folder, "undoing.json")) && entries.every((name) => !name.startsWith("left-"))
      if (isComplete) await rm(folder, { recursive: true, force: true })
    }
  })
})
