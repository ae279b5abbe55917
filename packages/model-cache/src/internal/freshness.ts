/** Decides whether a value is served, revalidated or waited for: the pure half of the cache. */

/**
 * - `fresh`: young, and fetched since the last invalidation. Serve it.
 * - `stale`: serve it, and fetch in the background.
 * - `invalidated`: known to be wrong, and no newer fetch has failed yet. Wait for a fetch, and serve it if that fails.
 */
export type Freshness = "fresh" | "stale" | "invalidated"

export interface Facts {
  /** Milliseconds since 1970. */
  readonly fetchedAt: number
  /** The generation in which its fetch began. An invalidation begins a new generation. */
  readonly generation: number
}

export interface Now {
  readonly millis: number
  readonly generation: number
  /** The newest generation in which a fetch failed; -1 for none. */
  readonly failedGeneration: number
  readonly freshForMillis: number
}

/** A value from the future (the clock was set back) is stale: its age is unknown. */
export const freshness = (value: Facts, now: Now): Freshness => {
  if (value.generation < now.generation) {
    return now.failedGeneration < now.generation ? "invalidated" : "stale"
  }
  const age = now.millis - value.fetchedAt
  return age >= 0 && age < now.freshForMillis ? "fresh" : "stale"
}
