/** The suites run over this: a worker of a deployment, and its operator. */
import { assert, type Vitest } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { type Duration, Effect, Fiber, Option, Schedule, type Scope, Stream, SubscriptionRef } from "effect"
import {
  type Answer,
  type CommandStore,
  type ConvexSyncError,
  type HeldLease,
  type History,
  isLoss,
  type ModelPublisher,
  type RequestStore,
  type SessionSync,
  type DeltaStore,
  type TurnResult,
  type TurnStore
} from "../../src/index.ts"

/** The ports of a process. They are refused once another process has taken over its worker. */
export interface Process {
  /** `Lease.make` makes it over a `LeaseStore`. */
  readonly lease: Omit<HeldLease, "report">
  readonly turns: TurnStore
  readonly write: DeltaStore
  readonly requests: RequestStore
  readonly commands: CommandStore
  readonly sessions: SessionSync.SessionStore
  readonly history: (sessionId: Id<"sessions">) => History.HistoryStore
  readonly models: ModelPublisher.ModelStore
}

/** The operator's view and actions. */
export interface Operator {
  readonly presence: Effect.Effect<{ readonly phase: string; readonly online: boolean }, ConvexSyncError>
  readonly revoke: Effect.Effect<unknown, ConvexSyncError>
  /** Each call creates another session. */
  readonly createSession: Effect.Effect<Id<"sessions">, ConvexSyncError>
  readonly sessions: Effect.Effect<
    ReadonlyArray<{ readonly sessionId: Id<"sessions">; readonly title: string }>,
    ConvexSyncError
  >
  readonly rename: (sessionId: Id<"sessions">, title: string) => Effect.Effect<Id<"commands">, ConvexSyncError>
  readonly send: (sessionId: Id<"sessions">, text: string) => Effect.Effect<Id<"turns">, ConvexSyncError>
  /** Oldest first. */
  readonly turns: (
    sessionId: Id<"sessions">
  ) => Effect.Effect<
    ReadonlyArray<{ readonly turnId: Id<"turns">; readonly text: string; readonly status: string }>,
    ConvexSyncError
  >
  readonly abort: (turnId: Id<"turns">) => Effect.Effect<unknown, ConvexSyncError>
  readonly watch: (sessionId: Id<"sessions">) => Effect.Effect<unknown, ConvexSyncError>
  /** The streamed text of a turn. */
  readonly streamed: (turnId: Id<"turns">) => Effect.Effect<string, ConvexSyncError>
  readonly parts: (turnId: Id<"turns">) => Effect.Effect<ReadonlyArray<TurnResult.FinalPart>, ConvexSyncError>
  readonly pause: Effect.Effect<Id<"commands">, ConvexSyncError>
  readonly outcome: (
    commandId: Id<"commands">
  ) => Effect.Effect<{ readonly status: string; readonly error: string | null } | null, ConvexSyncError>
  /** The requests that await an answer. */
  readonly pending: (
    sessionId: Id<"sessions">
  ) => Effect.Effect<
    ReadonlyArray<{ readonly requestId: Id<"requests">; readonly subject: string; readonly size: number }>,
    ConvexSyncError
  >
  readonly answer: (requestId: Id<"requests">, answer: Answer) => Effect.Effect<unknown, ConvexSyncError>
  readonly models: Effect.Effect<
    { readonly hash: string; readonly models: string; readonly default: string | null } | null,
    ConvexSyncError
  >
}

/** An approved worker that was never started, with the members that a suite needs. */
export interface Worker<Port extends keyof Process = keyof Process, Act extends keyof Operator = keyof Operator> {
  /** Acquires the lease, and releases it with the scope. */
  readonly start: (processId: string) => Effect.Effect<Pick<Process, Port>, ConvexSyncError, Scope.Scope>
  readonly operator: Pick<Operator, Act>
}

/** A suite adds its cases here: the argument of `layer` of @effect/vitest, with the real clock. */
export type Cases<R> = Vitest.MethodsNonLive<R>

/** Makes a separate worker for each case. */
export type MakeWorker<R, Port extends keyof Process, Act extends keyof Operator> = Effect.Effect<
  Worker<Port, Act>,
  ConvexSyncError,
  R | Scope.Scope
>

/** Longer than any condition that a case waits for. */
const limit: Duration.Input = "10 seconds"

/** Repeats the query until the result matches. */
export const eventually = <A>(ask: Effect.Effect<A, ConvexSyncError>, fits: (answer: A) => boolean) =>
  Effect.timeout(Effect.repeat(ask, { until: fits, schedule: Schedule.spaced("20 millis") }), limit)

/** Opens a subscription until the scope closes. `until` waits for a matching window; `end` fails with its error. */
export const opened = Effect.fnUntraced(function* <A>(windows: Stream.Stream<A, ConvexSyncError>) {
  const shown = yield* SubscriptionRef.make(Option.none<A>())
  const running = yield* Effect.forkScoped(
    Stream.runForEach(windows, (window) => SubscriptionRef.set(shown, Option.some(window)))
  )
  const until = (fits: (window: A) => boolean) =>
    SubscriptionRef.changes(shown).pipe(
      Stream.filter(Option.exists(fits)),
      Stream.runHead,
      Effect.map(Option.flatten),
      Effect.flatMap(Effect.fromOption),
      Effect.timeout(limit)
    )
  yield* until(() => true)
  return { until, end: Effect.timeoutOption(Fiber.join(running), limit) }
})

/** A permission to run a command. It may be allowed for later requests too. */
export const requestCalled = (opencodeId: string, turnId: Id<"turns">) => ({
  turnId,
  opencodeId,
  subject: `bash: ${opencodeId}`,
  askedBy: [{ agent: "build", task: null }],
  directory: "/work",
  always: { scope: opencodeId, label: "this command" },
  content: {
    kind: "permission" as const,
    permission: "bash",
    sections: [{ name: "command", format: "command" as const, text: opencodeId }]
  },
  timeLimit: 60_000
})

/** The code of a refusal. */
export const codeOf = <R>(call: Effect.Effect<unknown, ConvexSyncError, R>) =>
  Effect.map(Effect.flip(call), ({ reason }) => (reason._tag === "Rejected" ? reason.code : reason._tag))

/** Asserts that the calling process has lost its lease. */
export const assertFenced = Effect.fnUntraced(function* (call: Effect.Effect<unknown, ConvexSyncError>) {
  assert.isTrue(isLoss(yield* Effect.flip(call)))
  assert.strictEqual(yield* codeOf(call), "Fenced")
})
