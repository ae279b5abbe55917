/**
 * Failures of the embedded deployment and of its data folder, for the person at the terminal.
 *
 * @since 0.1.0
 */
import { ConvexEmbeddedError } from "@opencode-worker/convex-embedded"
import { type AppError, configuration, temporary } from "./AppError.ts"

/**
 * Its message is a sentence already; the exit code says whether a later start can succeed.
 *
 * @category conversions
 * @since 0.1.0
 */
export const explainEmbedded = (error: unknown): AppError => {
  if (!(error instanceof ConvexEmbeddedError)) return configuration(`The deployment did not start: ${String(error)}`)
  if (error.code === "DataInUse") return temporary(`${error.message} (--data)`)
  return error.code === "DiskFull" ? temporary(error.message) : configuration(error.message)
}
