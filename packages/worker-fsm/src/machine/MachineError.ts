import * as Data from "effect/Data"
import type { MachineReason } from "./MachineReason.ts"

/**
 * The error of this package. Match on its `reason`, for example with
 * `Effect.catchReason("MachineError", "InvalidTransition", ({ allowed }) => …)`.
 */
export class MachineError extends Data.TaggedError("MachineError")<{ readonly reason: MachineReason }> {
  // A field, so that JSON and `console.log` show it.
  override readonly message = this.reason.message
  override get cause() {
    return this.reason.cause
  }
}

export const isMachineError = (error: unknown): error is MachineError => error instanceof MachineError
