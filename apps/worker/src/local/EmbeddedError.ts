/** Errors of the embedded deployment and its data folder, for the user. */
import { isConvexEmbeddedError } from "@opencode-worker/convex-embedded/private-files"
import { AppError, configError, temporaryError } from "../AppError.ts"

const inUse = (holder: { readonly pid: number; readonly url: string } | null) => {
  const by = holder === null ? "a process that is starting" : `process ${holder.pid} at ${holder.url}`
  return `A chat is open in this directory already, or serve runs in it (${by}). Close it first, or chat with its worker: opencode-worker chat.`
}

/** The message is already a sentence. The exit code states whether a later start can succeed. */
export const fromEmbeddedError = (error: unknown): AppError => {
  if (error instanceof AppError) return error
  if (!isConvexEmbeddedError(error)) return configError(`The deployment did not start: ${String(error)}`)
  if (error.code === "DataInUse") return temporaryError(inUse(error.holder))
  return error.code === "DiskFull" ? temporaryError(error.message) : configError(error.message)
}
