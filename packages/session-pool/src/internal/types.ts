/** The public types that the internal modules share. */

/** Counts since the pool was made, except the first three, which are current. */
export interface Stats {
  /** Resources that exist, including those being opened or closed; never above the capacity. */
  readonly resident: number
  /** Resources with at least one holder. */
  readonly inUse: number
  /** Callers that wait. */
  readonly waiting: number
  /** Attempts to open a resource. */
  readonly opens: number
  /** Uses of a resource that was used before. */
  readonly hits: number
  /** Idle resources closed to free their slot. */
  readonly evictions: number
  /** Resources closed because they were idle for `idleTimeToLive`. */
  readonly idleCloses: number
  /** Attempts to open a resource that failed while a caller waited for it. */
  readonly failures: number
}

/** Why a resource was closed. */
export type CloseReason = "Evicted" | "Idle" | "Invalidated" | "Abandoned" | "Drained"

/** An event of a key's resource. */
export type PoolEvent<K> =
  | { readonly _tag: "Opening"; readonly key: K }
  | { readonly _tag: "Opened"; readonly key: K }
  | { readonly _tag: "Failed"; readonly key: K }
  | { readonly _tag: "Reused"; readonly key: K }
  | { readonly _tag: "Closing"; readonly key: K; readonly reason: CloseReason }
  | { readonly _tag: "Closed"; readonly key: K; readonly reason: CloseReason }
  | { readonly _tag: "Rejected"; readonly key: K }
