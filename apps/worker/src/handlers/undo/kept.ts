/** Copies of the files that an undo rewrites, from which they are restored. */
import { constants } from "node:fs"
import { chmod, copyFile, lstat, mkdir, open, readlink, rename, rm, symlink, utimes } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { Effect, Schema } from "effect"
import { fingerprintOf, isMissing } from "../../opencode/fileHashes.ts"

export const KeptFile = Schema.Struct({
  path: Schema.String,
  /** A person changed it, and it stays as it is. */
  isSkipped: Schema.Boolean,
  fingerprint: Schema.NullOr(Schema.String),
  content: Schema.Union([
    Schema.Struct({ kind: Schema.Literal("missing") }),
    Schema.Struct({ kind: Schema.Literal("link"), target: Schema.String }),
    Schema.Struct({
      kind: Schema.Literal("file"),
      /** The name of the copy. */
      copy: Schema.String,
      mode: Schema.Number,
      accessedAt: Schema.Number,
      writtenAt: Schema.Number
    })
  ])
})
export type KeptFile = Schema.Schema.Type<typeof KeptFile>

const messageOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

const copyTo = async (path: string, copy: string) => {
  await copyFile(path, copy, constants.COPYFILE_EXCL)
  await chmod(copy, 0o600)
  const file = await open(copy, "r")
  await file.sync().finally(() => file.close())
}

const contentOf = async (path: string, folder: string, copy: string): Promise<KeptFile["content"]> => {
  const entry = await lstat(path).catch((cause: unknown) => {
    if (isMissing(cause)) return null
    throw cause
  })
  if (entry === null) return { kind: "missing" }
  if (entry.isSymbolicLink()) return { kind: "link", target: await readlink(path) }
  if (!entry.isFile()) throw new Error("it is not a file")
  await copyTo(path, join(folder, copy))
  const { atimeMs, mode, mtimeMs } = entry
  return { kind: "file", copy, mode: mode & 0o7777, accessedAt: atimeMs / 1000, writtenAt: mtimeMs / 1000 }
}

/** Copies a file or link to `folder`, under the name `copy`. Fails with the reason if it cannot be read. */
export const keep = Effect.fnUntraced(function* (path: string, isSkipped: boolean, folder: string, copy: string) {
  const content = yield* Effect.tryPromise({ try: () => contentOf(path, folder, copy), catch: messageOf })
  const kept: KeptFile = { path, isSkipped, content, fingerprint: yield* fingerprintOf(path) }
  return kept
})

/** The time in which OpenCode may still write after the process of the worker has ended. Milliseconds. */
const written = 60_000

/** A name in the same folder, for a file that is complete when it is renamed. */
const unfinished = (path: string) => join(dirname(path), `.${basename(path).slice(0, 100)}.opencode-worker`)

const write = async ({ content, path }: KeptFile, folder: string): Promise<void> => {
  if (content.kind === "missing") return rm(path, { force: true })
  await mkdir(dirname(path), { recursive: true })
  const temporary = unfinished(path)
  await rm(temporary, { force: true })
  if (content.kind === "link") await symlink(content.target, temporary)
  else {
    await copyFile(join(folder, content.copy), temporary, constants.COPYFILE_EXCL)
    await chmod(temporary, content.mode)
    await utimes(temporary, content.accessedAt, content.writtenAt)
  }
  // A link in its place is replaced, not followed.
  await rename(temporary, path)
}

const isWrittenAfter = async (path: string, time: number) => {
  const entry = await lstat(path).catch(() => undefined)
  return entry !== undefined && entry.ctimeMs > time
}

/**
 * Restores a file that was kept at a time (milliseconds since 1970), with the time at which it was written. Fails with the reason,
 * also if a person has changed it since.
 */
export const restore = Effect.fnUntraced(function* (kept: KeptFile, folder: string, keptAt: number) {
  if ((yield* fingerprintOf(kept.path)) === kept.fingerprint) return
  const isChanged = yield* Effect.promise(() => isWrittenAfter(kept.path, keptAt + written))
  if (isChanged) return yield* Effect.fail("it was changed since")
  yield* Effect.tryPromise({ try: () => write(kept, folder), catch: messageOf })
})
