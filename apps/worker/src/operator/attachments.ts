/** Files of this machine, for a prompt. */
import { readFile } from "node:fs/promises"
import { basename, extname } from "node:path"
import { MAX_FILE } from "@opencode-worker/convex-backend/limits"
import { Client } from "@opencode-worker/client/effect"
import { Effect } from "effect"
import { usageError } from "../AppError.ts"

/** Media types that models read. Other files are sent as text if they are. */
const types: Readonly<Record<string, string>> = {
  ".gif": "image/gif",
  ".jpeg": "image/jpeg",
  ".jpg": "image/jpeg",
  ".mp3": "audio/mpeg",
  ".mp4": "video/mp4",
  ".pdf": "application/pdf",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wav": "audio/wav",
  ".webp": "image/webp"
}

const isText = (bytes: Uint8Array): boolean => {
  try {
    return !new TextDecoder("utf-8", { fatal: true }).decode(bytes).includes("\0")
  } catch {
    return false
  }
}

const typeOf = (path: string, bytes: Uint8Array): string =>
  types[extname(path).toLowerCase()] ?? (isText(bytes) ? "text/plain" : "application/octet-stream")

/** Uploads the files of `--attach`. */
export const upload = (paths: ReadonlyArray<string>) =>
  Effect.forEach(
    paths,
    Effect.fnUntraced(function* (path) {
      const client = yield* Client
      const bytes = yield* Effect.tryPromise({
        try: () => readFile(path),
        catch: (error) => usageError(`The file cannot be read: ${error instanceof Error ? error.message : path}`)
      })
      if (bytes.byteLength > MAX_FILE) {
        return yield* usageError(`${path} has ${bytes.byteLength} bytes; a file takes at most ${MAX_FILE}.`)
      }
      const file = { name: basename(path), type: typeOf(path, bytes) }
      return yield* client.call(({ files }, options) => files.upload(new Uint8Array(bytes), { ...file, ...options }))
    })
  )
