/**
 * Brings the permissions and questions of an agent to a person, and the answers back.
 *
 * @since 0.1.0
 */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import type { FunctionArgs, FunctionReturnType } from "convex/server"
import { Context, type Duration, Effect, Layer, type Scope, type Stream } from "effect"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import { broker } from "./internal/broker.ts"
import { requestsOver } from "./internal/overLease.ts"
import { Lease } from "./Lease.ts"

/**
 * A request in OpenCode's own words.
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
        readonly metadata?: Readonly<Record<string, unknown>>
      }
    }
  | {
      readonly kind: "question"
      readonly request: {
        readonly id: string
        readonly sessionID: string
        readonly questions: ReadonlyArray<{
          readonly question: string
          readonly header?: string
          readonly options?: ReadonlyArray<{ readonly label: string; readonly description?: string }>
          /** Default: false. */
          readonly multiple?: boolean | undefined
          /** Default: true. */
          readonly custom?: boolean | undefined
        }>
      }
    }

/**
 * @category models
 * @since 0.1.0
 */
export type AnsweredRequest = FunctionReturnType<typeof backendApi.requests.answers>[number]

/**
 * An answer of a person: see `requests.answer` of the backend.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = AnsweredRequest["answer"]

/**
 * An answer as OpenCode gets it. `always` is never forwarded: OpenCode would allow its own patterns, such as `curl *`, in
 * all sessions. The broker replies `once`, and remembers the approval itself.
 *
 * @category models
 * @since 0.1.0
 */
export type Reply = Exclude<Answer, { readonly type: "always" }>

type OpenedRequest = Omit<FunctionArgs<typeof backendApi.requests.open>, "workerId" | "secret" | "epoch">

/**
 * All that a person has to see of a request before they answer it, nothing left out.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestCard extends Pick<OpenedRequest, "subject" | "askedBy" | "directory" | "content"> {
  /**
   * Later requests that an `always` answer covers: those of the same conversation with the same `scope`. `label` describes
   * them, as a phrase that completes "always allow …". Null: they cannot be described exactly, so only `once` is possible.
   */
  readonly always: { readonly scope: string; readonly label: string } | null
}

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
  /** What a person gets to see of it. */
  readonly describe: (asked: Asked) => Effect.Effect<RequestCard, Error>
  /** False: OpenCode does not have the request, or no longer has it. */
  readonly answer: (asked: Asked, answer: Reply) => Effect.Effect<boolean, Error>
}

/**
 * What the broker needs from a deployment. Everything may be repeated.
 *
 * @category ports
 * @since 0.1.0
 */
export interface StorePort {
  readonly open: (request: OpenedRequest) => Effect.Effect<Id<"requests">, ConvexSyncError>
  /** What was answered and is not closed, now and at each change. */
  readonly answers: Stream.Stream<ReadonlyArray<AnsweredRequest>, ConvexSyncError>
  readonly close: (
    requestId: Id<"requests">,
    as: "answered" | "expired" | "cancelled"
  ) => Effect.Effect<unknown, ConvexSyncError>
  /** An `always` answer of `requestId` was applied to a later request, `subject`. */
  readonly applied: (use: {
    readonly requestId: Id<"requests">
    readonly turnId: Id<"turns">
    readonly subject: string
  }) => Effect.Effect<unknown, ConvexSyncError>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface RequestsOptions {
  /** How long a person may take, 1 second to 24 hours. Default 10 minutes. */
  readonly timeLimit?: Duration.Input
}

/**
 * @category models
 * @since 0.1.0
 */
export interface FollowedTurn {
  readonly turnId: Id<"turns">
  /** The root session of the conversation: approvals for later requests end with the process, and belong to it alone. */
  readonly opencodeSessionId: string
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
