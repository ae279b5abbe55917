/** Reads files of the worker's directory for operators. Links that lead out of it, and private folders, are refused. */
import { constants } from "node:fs"
import { open } from "node:fs/promises"
import { isAbsolute, relative, resolve, sep } from "node:path"
import { Data, Effect } from "effect"
import { realPath } from "./realPath.ts"

/** Bytes of a file that are read. */
export const maxFile = 200_000

export interface ProjectPlace {
  /** With links resolved. */
  readonly directory: string
  /** Files and folders that are never shown, with links resolved. */
  readonly privatePaths: ReadonlyArray<string>
}

/** A file that an operator cannot read. */
export class FileRefused extends Data.TaggedError("FileRefused")<{ readonly message: string }> {}

const isWithin = (path: string, folder: string): boolean => {
  const from = relative(folder, path)
  return from === "" || (from !== ".." && !from.startsWith(`..${sep}`) && !isAbsolute(from))
}

/** The real path, if it may be shown. */
export const shownPath = Effect.fnUntraced(function* ({ directory, privatePaths }: ProjectPlace, path: string) {
  const real = yield* realPath(resolve(directory, path))
  if (real === undefined || !isWithin(real, directory)) {
    return yield* new FileRefused({ message: "The file is not in the worker's directory" })
  }
  if (privatePaths.some((folder) => isWithin(real, folder))) {
    return yield* new FileRefused({ message: "The file is private to the worker" })
  }
  return real
})

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "unknown"

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "There is no such file",
  ENOTDIR: "There is no such file",
  EACCES: "The worker may not read the file",
  // The path was resolved, and replaced by a link since.
  ELOOP: "The file was replaced by a link while it was read",
  // A socket.
  ENXIO: "It is not a file"
}

/** The first bytes of a regular file. A pipe does not block. */
const start = (real: string) =>
  Effect.tryPromise({
    try: async () => {
      await using file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
      const found = await file.stat()
      if (!found.isFile()) return null
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(found.size, maxFile)), 0, undefined, 0)
      return { size: found.size, bytes: buffer.subarray(0, bytesRead) }
    },
    catch: (cause) =>
      new FileRefused({ message: reasons[codeOf(cause)] ?? `The file cannot be read: ${codeOf(cause)}` })
  })

/** The text, or null for bytes that are no text: they contain a zero or are not UTF-8. The last character may be cut. */
const textOf = (bytes: Uint8Array, isCut: boolean): string | null => {
  if (bytes.includes(0)) return null
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: isCut })
  } catch {
    return null
  }
}

/** The text of a file, at most its first 200 kB. `path`: relative to the directory, or absolute and in it. */
export const readProjectFile = Effect.fn("Worker.readProjectFile")(function* (place: ProjectPlace, path: string) {
  if (path.includes("\0")) return yield* new FileRefused({ message: "There is no such file" })
  const real = yield* shownPath(place, path)
  const read = yield* start(real)
  // A folder of the path may have been replaced by a link since it was resolved.
  if ((yield* shownPath(place, path)) !== real) return yield* new FileRefused({ message: "The file was moved" })
  if (read === null) return yield* new FileRefused({ message: "It is not a file" })
  const { bytes, size } = read
  const isCut = bytes.length < size
  return { path: relative(place.directory, real), size, text: textOf(bytes, isCut), truncated: isCut }
})
