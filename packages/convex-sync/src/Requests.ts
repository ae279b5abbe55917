/**
 * Brings what OpenCode asks to a person, and the answer back.
 *
 * @since 0.1.0
 */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import type { FunctionReturnType } from "convex/server"
import { Context, type Duration, Effect, Layer, type Scope, type Stream } from "effect"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import { broker } from "./internal/broker.ts"
import { requestsOver } from "./internal/overLease.ts"
import { Lease } from "./Lease.ts"
import type * as Policy from "./Policy.ts"

/**
 * What is asked, in OpenCode's own words; more fields than these go to the person as they are.
 *
 * @category models
 * @since 0.1.0
 */
export type Asked =
  | {
      readonly kind: "permission"
      readonly request: {
        readonly id: string
        readonly sessionID: string
        readonly permission: string
        readonly patterns: ReadonlyArray<string>
      }
    }
  | {
      readonly kind: "question"
      readonly request: {
        readonly id: string
        readonly sessionID: string
        readonly questions: ReadonlyArray<{ readonly question: string }>
      }
    }

/**
 * @category models
 * @since 0.1.0
 */
export type AnsweredRequest = FunctionReturnType<typeof backendApi.requests.answers>[number]

/**
 * What a person said: see `requests.answer` of the backend.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = AnsweredRequest["answer"]

/**
 * `Gap`: events may be missing before it, so everything is listed again.
 *
 * @category models
 * @since 0.1.0
 */
export type RequestEvent =
  | { readonly _tag: "Asked"; readonly asked: Asked }
  | { readonly _tag: "Replied"; readonly id: string }
  | { readonly _tag: "Gap" }

/**
 * What the broker needs from OpenCode.
 *
 * @category ports
 * @since 0.1.0
 */
export interface OpenCodePort {
  readonly events: Stream.Stream<RequestEvent>
  /** All that OpenCode lists, also what nobody waits for any more. */
  readonly pending: Effect.Effect<ReadonlyArray<Asked>, Error>
  /** The session that this one is a sub-agent of; undefined for any other. */
  readonly parentOf: (sessionId: string) => Effect.Effect<string | undefined, Error>
  /** Whether the tool that asks still runs. */
  readonly isWaiting: (asked: Asked) => Effect.Effect<boolean, Error>
  /** False: OpenCode does not have the request (any more). */
  readonly answer: (asked: Asked, answer: Answer) => Effect.Effect<boolean, Error>
}

/**
 * What the broker needs from a deployment. Everything may be repeated.
 *
 * @category ports
 * @since 0.1.0
 */
export interface StorePort {
  readonly open: (request: {
    readonly turnId: Id<"turns">
    readonly opencodeId: string
    readonly kind: "permission" | "question"
    readonly subject: string
    readonly payload: string
    /** Milliseconds. */
    readonly timeLimit: number
  }) => Effect.Effect<Id<"requests">, ConvexSyncError>
  /** What was answered and is not closed, now and at each change. */
  readonly answers: Stream.Stream<ReadonlyArray<AnsweredRequest>, ConvexSyncError>
  readonly close: (
    requestId: Id<"requests">,
    as: "answered" | "expired" | "cancelled"
  ) => Effect.Effect<unknown, ConvexSyncError>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface RequestsOptions {
  /** For turns that bring none of their own. Default `Policy.careful`. */
  readonly policy?: Policy.Policy
  /** How long a person may take, 1 second to 24 hours. Default 10 minutes. */
  readonly timeLimit?: Duration.Input
}

/**
 * @category models
 * @since 0.1.0
 */
export interface FollowedTurn {
  readonly turnId: Id<"turns">
  readonly opencodeSessionId: string
  readonly policy?: Policy.Policy
}

/**
 * @category services
 * @since 0.1.0
 */
export class Requests extends Context.Service<
  Requests,
  {
    /**
     * Serves what a turn and its sub-agents ask until the scope closes. Follow before the prompt is sent. Closing it
     * cancels what is still shown.
     */
    readonly follow: (turn: FollowedTurn) => Effect.Effect<void, never, Scope.Scope>
  }
>()("@opencode-worker/convex-sync/Requests") {
  /** A broker between any two, for as long as the scope. */
  static readonly make = (
    opencode: OpenCodePort,
    store: StorePort,
    options?: RequestsOptions
  ): Effect.Effect<Requests["Service"], never, Scope.Scope> => broker(opencode, store, options)

  /** Over the lease; one broker serves all turns of a worker. */
  static readonly layer = (opencode: OpenCodePort, options?: RequestsOptions): Layer.Layer<Requests, never, Lease> =>
    Layer.effect(
      Requests,
      Effect.flatMap(Lease, (lease) => broker(opencode, requestsOver(lease), options))
    )
}
