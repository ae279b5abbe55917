/**
 * The life of a worker as one table. The package's README shows it drawn.
 *
 * The only final state is `Stopped`, and it carries the exit code; `Stopping`, `Fenced` and `Failed` are where a worker
 * lets go of what it holds. Losing the lease leads to `Fenced` from every state that may write.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"
import * as Machine from "./Machine.ts"

/**
 * Why a worker's process ends, and the exit code that says so to whoever started it (75, 77 and 78 as in `sysexits.h`).
 *
 * @category constants
 * @since 0.1.0
 */
export const exitCodes = {
  /** Asked to stop, and did so in order. */
  Requested: 0,
  /** Recovery was given up: start again later. */
  Temporary: 75,
  /** Approval was refused or revoked: pair again. */
  NotAuthorised: 77,
  /** The configuration is wrong: starting again does not help. */
  Configuration: 78,
  /** Another process owns this worker now. */
  Fenced: 79,
  /** Asked to stop a second time: running turns were cut short. */
  Interrupted: 130
} as const

/**
 * @category models
 * @since 0.1.0
 */
export type ExitReason = keyof typeof exitCodes

/** What a worker goes back to once it is connected again. */
const Serving = Schema.Literals(["Ready", "Paused"])

const Attempt = Schema.Int
const Detail = Schema.String

/**
 * The states. `attempt` counts the recoveries since the worker last stayed healthy; `detail` is a sentence for people.
 *
 * @category schemas
 * @since 0.1.0
 */
export const WorkerState = Schema.TaggedUnion({
  Idle: {},
  /** Introduces itself to the deployment. */
  Registering: { attempt: Attempt },
  /** Known, and waits for its owner's approval. */
  AwaitingApproval: { attempt: Attempt },
  /** Takes the lease and gets its parts going; then serves, or stays paused if it was. */
  Connecting: { attempt: Attempt, back: Serving },
  Ready: { attempt: Attempt },
  /** Connected, begins no turn. */
  Paused: { attempt: Attempt },
  /** Begins no turn, waits for those that run. */
  Draining: {},
  /** Lets go of everything it holds. */
  Stopping: { reason: Schema.Literals(["Requested", "Interrupted", "NotAuthorised"]), detail: Detail },
  /** Gone. The process exits with the code. */
  Stopped: {
    reason: Schema.Literals(["Requested", "Temporary", "NotAuthorised", "Configuration", "Fenced", "Interrupted"]),
    exitCode: Schema.Int,
    detail: Detail
  },
  /** Waits, longer each time, before it tries again what failed. */
  Recovering: {
    attempt: Attempt,
    back: Schema.Literals(["Registering", "AwaitingApproval", "Ready", "Paused"]),
    detail: Detail
  },
  /** Lost its lease: writes nothing, lets go of everything. */
  Fenced: { detail: Detail },
  /** Cannot go on: lets go of everything. */
  Failed: { reason: Schema.Literals(["Temporary", "NotAuthorised", "Configuration"]), detail: Detail }
})

/**
 * @category models
 * @since 0.1.0
 */
export type WorkerState = typeof WorkerState.Type

/**
 * The events.
 *
 * @category schemas
 * @since 0.1.0
 */
export const WorkerEvent = Schema.TaggedUnion({
  Start: {},
  Registered: { approved: Schema.Boolean },
  Approved: {},
  /** The owner refused or revoked the approval. */
  Revoked: { detail: Detail },
  Connected: {},
  /** Serving went well for a while: the next failure counts as the first. */
  Settled: {},
  Pause: {},
  Resume: {},
  /** Finish what runs, then stop. */
  Drain: {},
  Drained: {},
  /** Stop: in order when asked once, at once when asked twice. */
  Stop: {},
  /** Everything was let go. */
  Closed: {},
  /** Something broke. Only `Temporary` is tried again. */
  Fail: { reason: Schema.Literals(["Temporary", "NotAuthorised", "Configuration"]), detail: Detail },
  Retry: {},
  GiveUp: {},
  LeaseLost: { detail: Detail }
})

/**
 * @category models
 * @since 0.1.0
 */
export type WorkerEvent = typeof WorkerEvent.Type

type Event<T extends WorkerEvent["_tag"]> = Machine.Of<WorkerEvent, T>

const temporary = {
  note: "temporary",
  test: (_: unknown, event: Event<"Fail">) => event.reason === "Temporary"
}
const cameFrom = (back: string) => ({
  note: `from ${back}`,
  test: (state: { readonly back: string }) => state.back === back
})
const stopping = (reason: "Requested" | "Interrupted", detail: string) =>
  ({ to: "Stopping", data: () => ({ reason, detail }) }) as const
const revoked = {
  to: "Stopping",
  data: (_: unknown, { detail }: Event<"Revoked">) => ({ reason: "NotAuthorised" as const, detail })
} as const
const fenced = {
  to: "Fenced",
  data: (_: unknown, { detail }: Event<"LeaseLost">) => ({ detail })
} as const
const failed = {
  to: "Failed",
  data: (_: unknown, { reason, detail }: Event<"Fail">) => ({ reason, detail })
} as const
const recoverThen = <Back extends "Registering" | "AwaitingApproval" | "Ready" | "Paused", S>(
  back: (state: S) => Back
) =>
  [
    {
      to: "Recovering",
      when: temporary,
      data: (state: S & { readonly attempt: number }, { detail }: Event<"Fail">) => ({
        back: back(state),
        attempt: state.attempt + 1,
        detail
      })
    },
    failed
  ] as const
const stopped = (reason: ExitReason, detail: string) => ({
  reason,
  exitCode: exitCodes[reason],
  detail
})
const keepAttempt = ({ attempt }: { readonly attempt: number }) => ({ attempt })
const healthy = { stay: () => ({ attempt: 0 }) } as const
const stay = { stay: true } as const

const beforeServing = {
  Revoked: revoked,
  Drain: stopping("Requested", "asked to stop before it served"),
  Stop: stopping("Requested", "asked to stop before it served")
} as const

const serving = {
  Settled: healthy,
  Revoked: revoked,
  LeaseLost: fenced,
  Drain: { to: "Draining" },
  Stop: { to: "Draining" }
} as const

/** Letting go goes on until it is done, whatever else comes. */
const lettingGo = { Drain: stay, Stop: stay, Fail: stay, Revoked: stay } as const

const connectThen = <Back extends "Ready" | "Paused">(back: Back) => ({
  to: "Connecting" as const,
  when: cameFrom(back),
  data: ({ attempt }: { readonly attempt: number }) => ({ attempt, back })
})

/**
 * The worker's life. Give it to `Actor.start`, or take `WorkerLifecycle`, which adds back-off and limits.
 *
 * @category machines
 * @since 0.1.0
 */
export const WorkerMachine = Machine.make({
  name: "worker",
  state: WorkerState,
  event: WorkerEvent,
  initial: { _tag: "Idle" },
  table: {
    Idle: {
      Start: { to: "Registering", data: () => ({ attempt: 0 }) },
      Drain: { to: "Stopped", data: () => stopped("Requested", "asked to stop before it started") },
      Stop: { to: "Stopped", data: () => stopped("Requested", "asked to stop before it started") }
    },
    Registering: {
      Registered: [
        {
          to: "Connecting",
          when: { note: "approved", test: (_, event) => event.approved },
          data: ({ attempt }) => ({ attempt, back: "Ready" })
        },
        { to: "AwaitingApproval", data: keepAttempt }
      ],
      Fail: recoverThen(() => "Registering"),
      ...beforeServing
    },
    AwaitingApproval: {
      Approved: { to: "Connecting", data: ({ attempt }) => ({ attempt, back: "Ready" }) },
      Fail: recoverThen(() => "AwaitingApproval"),
      ...beforeServing
    },
    Connecting: {
      Connected: [
        { to: "Paused", when: cameFrom("Paused"), data: keepAttempt },
        { to: "Ready", data: keepAttempt }
      ],
      Fail: recoverThen((state: { readonly back: "Ready" | "Paused" }) => state.back),
      LeaseLost: fenced,
      ...beforeServing
    },
    Ready: {
      Pause: { to: "Paused", data: keepAttempt },
      Resume: stay,
      Fail: recoverThen(() => "Ready"),
      ...serving
    },
    Paused: {
      Pause: stay,
      Resume: { to: "Ready", data: keepAttempt },
      Fail: recoverThen(() => "Paused"),
      ...serving
    },
    Draining: {
      Drained: stopping("Requested", "asked to stop"),
      Drain: stay,
      Stop: stopping("Interrupted", "asked a second time to stop, while turns ran"),
      Fail: failed,
      Revoked: revoked,
      LeaseLost: fenced
    },
    Stopping: {
      Closed: { to: "Stopped", data: ({ reason, detail }) => stopped(reason, detail) },
      LeaseLost: fenced,
      ...lettingGo
    },
    Recovering: {
      Retry: [
        { to: "Registering", when: cameFrom("Registering"), data: keepAttempt },
        { to: "AwaitingApproval", when: cameFrom("AwaitingApproval"), data: keepAttempt },
        connectThen("Paused"),
        connectThen("Ready")
      ],
      GiveUp: { to: "Failed", data: ({ detail }) => ({ reason: "Temporary", detail }) },
      Fail: [{ stay: true, when: temporary }, failed],
      LeaseLost: fenced,
      ...beforeServing
    },
    Fenced: {
      Closed: { to: "Stopped", data: ({ detail }) => stopped("Fenced", detail) },
      LeaseLost: stay,
      ...lettingGo
    },
    Failed: {
      Closed: { to: "Stopped", data: ({ reason, detail }) => stopped(reason, detail) },
      LeaseLost: stay,
      ...lettingGo
    },
    Stopped: { Drain: stay, Stop: stay }
  }
})
