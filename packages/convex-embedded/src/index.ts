/**
 * A Convex-compatible deployment in one process, stored in a SQLite file.
 *
 * @since 0.1.0
 */
export * as ConvexEmbedded from "./ConvexEmbedded.ts"
export type { Deployment, Options } from "./ConvexEmbedded.ts"
export { ConvexEmbeddedError, type ConvexEmbeddedErrorCode } from "./ConvexEmbeddedError.ts"
export type { AuthProvider } from "./internal/auth.ts"
export { type LockHolder, readLock } from "./internal/lock.ts"
