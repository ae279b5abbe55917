/** A Convex-compatible deployment in one process, stored in a SQLite file. */
export * as ConvexEmbedded from "./ConvexEmbedded.ts"
export type { Deployment } from "./ConvexEmbedded.ts"
export { ConvexEmbeddedError, type ConvexEmbeddedErrorCode, isConvexEmbeddedError } from "./ConvexEmbeddedError.ts"
export type { AuthProvider } from "./internal/values/identity.ts"
export type { AssetOptions, ConvexEmbeddedOptions, RemoteOptions } from "./Options.ts"
