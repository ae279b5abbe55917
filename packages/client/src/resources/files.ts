import { api, type FileId, type TurnFile, type TurnId } from "../api.ts"
import { ClientError } from "../ClientError.ts"
import type { CallOptions, Calls } from "../internal/calls.ts"

/** A file in the deployment's storage, to pass to `prompt`. */
export interface UploadedFile {
  readonly storageId: FileId
  readonly name: string
  /** A media type without parameters, such as `image/png`. */
  readonly type: string
  /** Bytes. */
  readonly size: number
}

export interface UploadOptions extends CallOptions {
  /** As the model sees it. Default: the name of a `File`, otherwise `file`. */
  readonly name?: string
  /** The media type. Default: the type of a `Blob`, otherwise `application/octet-stream`. */
  readonly type?: string
}

const operation = "files:upload"

/** A media type in lower case, without parameters: the deployment accepts no other. */
const mediaType = (type: string | undefined): string =>
  (type ?? "").split(";")[0]?.trim().toLowerCase() || "application/octet-stream"

/**
 * The address of a stored file, from this client's point of view: a deployment may know itself under another name, such as
 * one behind a proxy or on another machine of the network.
 */
const reachable = (url: string, deployment: string | undefined): string => {
  const { pathname, search } = new URL(url)
  return deployment === undefined || !pathname.startsWith("/api/storage/")
    ? url
    : new URL(pathname + search, deployment).href
}

const post = async (url: string, body: Blob, contentType: string, signal: AbortSignal | undefined): Promise<FileId> => {
  let response: Response
  try {
    response = await fetch(url, {
      method: "POST",
      body,
      headers: { "content-type": contentType },
      ...(signal !== undefined && { signal })
    })
  } catch (cause) {
    if (signal?.aborted === true) throw signal.reason
    throw new ClientError(operation, { _tag: "Unreachable", message: `The file could not be sent: ${String(cause)}` })
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the response of Convex storage, or an error with a message
  const { message, storageId } = (await response.json().catch(() => ({}))) as {
    readonly message?: string
    readonly storageId?: FileId
  }
  if (response.ok && storageId !== undefined) return storageId
  const reason = message ?? `The storage responded with status ${response.status}.`
  throw new ClientError(operation, { _tag: "FunctionFailed", message: reason })
}

export const makeFiles = ({ connection, mutation, query }: Calls) => ({
  /**
   * Uploads a file of at most 10 MiB for `prompt`. The worker may be offline. An upload that no prompt uses within a day is
   * deleted.
   *
   * @example
   * const file = await client.files.upload(bytes, { name: "screen.png", type: "image/png" })
   * client.prompt(sessionId, "What is wrong here?", { files: [file] })
   */
  upload: async (
    content: Blob | ArrayBuffer | Uint8Array<ArrayBuffer>,
    options: UploadOptions = {}
  ): Promise<UploadedFile> => {
    const blob = content instanceof Blob ? content : new Blob([content])
    const type = mediaType(options.type ?? blob.type)
    const name = options.name ?? (blob instanceof File ? blob.name : "file")
    const target = await mutation(api.files.uploadUrl, { type, size: blob.size }, options)
    const url = reachable(target.url, connection.url)
    return { storageId: await post(url, blob, target.contentType, options.signal), name, type, size: blob.size }
  },
  /** The files of a turn: those of its prompt, then those that the agent produced. `url` needs no authentication. */
  list: async (turnId: TurnId, options?: CallOptions): Promise<ReadonlyArray<TurnFile>> => {
    const files = await query(api.files.list, { turnId }, options)
    return files.map((file) => ({ ...file, url: file.url && reachable(file.url, connection.url) }))
  }
})
