/** The deployment's side of files: those of a prompt, and those that the agent produced. */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import { MAX_AGENT_FILES, MAX_FILE } from "@opencode-worker/convex-backend/limits"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { FunctionArgs } from "convex/server"
import type { PromptFile } from "./Agent.ts"
import { AgentError } from "./AgentError.ts"
import { Failed } from "./AgentReason.ts"
import { api } from "./Backend.ts"
import { filesIn, type PartFile, replaceUrls } from "./internal/turns/partFiles.ts"
import type { Lease } from "./Lease.ts"
import type { FinalPart } from "./TurnResult.ts"

/** Files that were uploaded to the storage. */
export type StoredFiles = NonNullable<FunctionArgs<typeof backendApi.queue.finish>["files"]>

export interface FileStore {
  /** The files of a claimed turn. Waits while the storage is unreachable; fails if a file cannot be read. */
  readonly ofTurn: (turnId: Id<"turns">) => Effect.Effect<ReadonlyArray<PromptFile>, AgentError>
  /**
   * Uploads the files inside of parts, whose `url` becomes `storage:<id>`, or `omitted:<bytes>` for a file that exceeds a limit
   * or cannot be uploaded.
   */
  readonly keep: (
    parts: ReadonlyArray<FinalPart>
  ) => Effect.Effect<{ readonly parts: ReadonlyArray<FinalPart>; readonly files: StoredFiles }>
}

/** `retriable`: the storage did not respond, or is overloaded. */
class TransferFailed extends Data.TaggedError("TransferFailed")<{
  readonly message: string
  readonly retriable: boolean
}> {}

/** Time limit of one attempt. */
const timeLimit = "2 minutes"
const attempts = Schedule.min([Schedule.exponential("500 millis"), Schedule.spaced("5 seconds")])
/** A turn waits this long for its files, and then fails with a clear error. */
const downloadLimit = Schedule.upTo(attempts, { duration: "10 minutes" })
/** The end of a turn waits no longer for a file. */
const uploadLimit = Schedule.upTo(attempts, { times: 4 })

const request = (url: string, init: RequestInit) =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url, { ...init, signal })
      return { status: response.status, bytes: new Uint8Array(await response.arrayBuffer()) }
    },
    catch: (cause) => new TransferFailed({ message: String(cause), retriable: true })
  }).pipe(
    Effect.timeoutOrElse({
      duration: timeLimit,
      orElse: () => Effect.fail(new TransferFailed({ message: "the storage did not respond", retriable: true }))
    }),
    Effect.filterOrFail(
      ({ status }) => status >= 200 && status < 300,
      ({ status }) =>
        new TransferFailed({
          message: `the storage responded with status ${status}`,
          retriable: status >= 500 || status === 408 || status === 429
        })
    ),
    Effect.map(({ bytes }) => bytes)
  )

const isRetriable = ({ retriable }: TransferFailed) => retriable

/** The deployment may know itself under another name than this worker. */
const reachable = (url: string, deployment: string): string => {
  const { pathname, search } = new URL(url)
  return pathname.startsWith("/api/storage/") ? new URL(pathname + search, deployment).href : url
}

const failed = (message: string) => new AgentError({ reason: new Failed({ name: "FileUnavailable", message }) })

const upload = Effect.fnUntraced(function* (lease: Lease["Service"], { bytes, type }: PartFile) {
  const target = yield* lease.mutation(api.files.agentUploadUrl, { type, size: bytes.byteLength })
  if (target === null) return null
  const body = yield* request(reachable(target.url, lease.url), {
    method: "POST",
    body: Buffer.from(bytes),
    headers: { "content-type": target.contentType }
  }).pipe(Effect.retry({ schedule: uploadLimit, while: isRetriable }))
  const { storageId }: { storageId: Id<"_storage"> } = JSON.parse(Buffer.from(body).toString("utf8"))
  return storageId
})

export const fileStore = (lease: Lease["Service"]): FileStore => ({
  ofTurn: (turnId) =>
    Effect.mapError(lease.query(api.files.forTurn, { turnId }), ({ message }) => failed(message)).pipe(
      Effect.flatMap(
        Effect.forEach(({ name, type, url }) =>
          url === null
            ? Effect.fail(failed(`The file ${name} is no longer stored: attach it again.`))
            : request(reachable(url, lease.url), {}).pipe(
                Effect.retry({ schedule: downloadLimit, while: isRetriable }),
                Effect.mapBoth({
                  onSuccess: (bytes) => ({ name, type, bytes }),
                  onFailure: ({ message }) => failed(`The file ${name} could not be read: ${message}.`)
                })
              )
        )
      )
    ),
  keep: Effect.fnUntraced(function* (parts) {
    const found = filesIn(parts)
    const urls = new Map<string, string>()
    const files: StoredFiles = []
    for (const file of found) {
      const { bytes, name, type, url } = file
      const fits = files.length < MAX_AGENT_FILES && bytes.byteLength <= MAX_FILE
      // Neither a full storage nor an unreachable one may prevent the end of the turn.
      const storageId = fits
        ? yield* Effect.catchCause(upload(lease, file), (cause) =>
            Effect.as(Effect.logWarning("A file of the agent could not be stored", cause), null)
          )
        : null
      urls.set(url, storageId === null ? `omitted:${bytes.byteLength}` : `storage:${storageId}`)
      if (storageId !== null) files.push({ storageId, name, type })
    }
    return { parts: found.length === 0 ? parts : replaceUrls(parts, urls), files }
  })
})
