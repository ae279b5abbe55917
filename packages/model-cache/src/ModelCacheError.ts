import * as Data from "effect/Data"
import type { ModelCacheReason } from "./ModelCacheReason.ts"

/**
 * The error of this package. Match on its `reason`, for example with
 * `Effect.catchReason("ModelCacheError", "UnknownModel", ({ suggestions }) => …)`.
 */
export class ModelCacheError extends Data.TaggedError("ModelCacheError")<{ readonly reason: ModelCacheReason }> {
  // A field, so that JSON and `console.log` show it.
  override readonly message = this.reason.message
  override get cause() {
    return this.reason.cause
  }
}

export const isModelCacheError = (error: unknown): error is ModelCacheError => error instanceof ModelCacheError
