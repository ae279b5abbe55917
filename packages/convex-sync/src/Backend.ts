/**
 * References to the functions of `@opencode-worker/convex-backend`, typed by it and without loading it.
 *
 * @since 0.1.0
 */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import { anyApi } from "convex/server"
import type { Redacted } from "effect"

/**
 * @category references
 * @since 0.1.0
 */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `anyApi` makes any reference; the backend says which exist
export const api = anyApi as unknown as typeof backendApi

/**
 * Proves that a process speaks for a worker. Pairing gives them; whoever has them can act as the worker until revoked.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkerCredentials {
  readonly workerId: Id<"workers">
  readonly secret: Redacted.Redacted
}
