/** Errors of the embedded deployment and its data folder, for the user. */
import { isConvexEmbeddedError } from "@opencode-worker/convex-embedded/private-files"
import { AppError, configError, temporaryError } from "../AppError.ts"

/** The message is already a sentence. The exit code states whether a later start can succeed. */
export const fromEmbeddedError = (error: unknown): AppError => {
  if (error instanceof AppError) return error
  if (!isConvexEmbeddedError(error)) return configError(`The deployment did not start: ${String(error)}`)
  if (error.code === "DataInUse") return temporaryError(`${error.message} (--data)`)
  return error.code === "DiskFull" ? temporaryError(error.message) : configError(error.message)
}
