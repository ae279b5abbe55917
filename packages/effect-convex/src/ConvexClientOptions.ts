/** Options and states of a connection. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"

/** `connecting` before the first connection, `reconnecting` after a lost one, `closed` after the scope closed. */
export type Connection = "connecting" | "connected" | "reconnecting" | "closed"

export interface ConvexClientOptions {
  /** `https://happy-otter-123.convex.cloud`, or the http(s) URL of a self-hosted or embedded deployment. */
  readonly url: string
  /**
   * Returns a fresh JWT, or null for an anonymous client. It runs at the start and before a token expires; calls wait for
   * the first token. A failure is logged and retried.
   */
  readonly auth?: Effect.Effect<string | null, unknown>
  /** Time limit of a mutation, including its wait for a place in flight. Default: 30 seconds. */
  readonly mutationTimeout?: Duration.Input
  /** Time limit of a one-shot query. Default: 30 seconds. */
  readonly queryTimeout?: Duration.Input
  /** Time limit of an action. Default: 10 minutes. */
  readonly actionTimeout?: Duration.Input
}

export interface MutationOptions {
  /**
   * Running it twice has the effect of running it once. Such a call has no time limit: it is in flight until the deployment
   * responds, and is sent again if its client had to be replaced. Add a limit of your own if you cannot wait.
   */
  readonly idempotent?: boolean
}
