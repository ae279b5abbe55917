/** Failures of the embedded deployment and of its data folder, for the person at the terminal. */
import { ConvexEmbeddedError } from "@opencode-worker/convex-embedded"
import { AppError, configError, temporaryError } from "../AppError.ts"

/** Its message is a sentence already; the exit code says whether a later start can succeed. */
export const fromEmbeddedError = (error: unknown): AppError => {
  if (error instanceof AppError) return error
  if (!(error instanceof ConvexEmbeddedError)) return configError(`The deployment did not start: ${String(error)}`)
  if (error.code === "DataInUse") return temporaryError(`${error.message} (--data)`)
  return error.code === "DiskFull" ? temporaryError(error.message) : configError(error.message)
}
