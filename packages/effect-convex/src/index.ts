export { type Connection, ConvexClient, type ConvexClientOptions, type MutationOptions } from "./ConvexClient.ts"
export { ConvexClientError, isConvexClientError, isTransient } from "./ConvexClientError.ts"
export * as ConvexClientReason from "./ConvexClientReason.ts"
export { retryTransient } from "./retryTransient.ts"
