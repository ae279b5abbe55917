/** Maps errors of the operating system to errors for the user who chose the folder. */
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import { messageOf } from "./errors.ts"

export const isCode = (cause: unknown, ...codes: ReadonlyArray<string>): boolean =>
  cause instanceof Error && "code" in cause && codes.includes(String(cause.code))

const REASONS: Record<string, string> = {
  EACCES: "permission denied",
  EISDIR: "it is a folder",
  ELOOP: "too many links",
  ENAMETOOLONG: "its name is too long",
  ENOENT: "a folder above it does not exist and cannot be created",
  ENOTDIR: "a part of its path is not a folder",
  EPERM: "permission denied",
  EROFS: "the file system is read-only"
}

/** `what`: the beginning of a sentence, such as "The folder /x cannot be used". */
export const systemFailure = (what: string, cause: unknown): ConvexEmbeddedError => {
  if (cause instanceof ConvexEmbeddedError) return cause
  if (isCode(cause, "ENOSPC", "EDQUOT")) {
    return new ConvexEmbeddedError("DiskFull", `${what}: the disk is full. Free some space, and start again.`, {
      cause
    })
  }
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
  const reason = REASONS[code] === undefined ? messageOf(cause) : `${REASONS[code]} (${code})`
  return new ConvexEmbeddedError("InvalidOptions", `${what}: ${reason}. Choose another one.`, { cause })
}
