/** References to the functions of `@opencode-worker/convex-backend`, typed by it and without loading it. */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import type * as Redacted from "effect/Redacted"
import { anyReference } from "./internal/anyReference.ts"

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- makes any reference; the backend says which exist
export const api = anyReference() as typeof backendApi

/**
 * Authenticates a process as a worker. Pairing returns them; they are valid until the worker is revoked.
 */
export interface WorkerCredentials {
  readonly workerId: Id<"workers">
  readonly secret: Redacted.Redacted
}
