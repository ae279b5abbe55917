/**
 * The lifecycle of a worker as one table. The package's README has its diagram.
 *
 * The only final state is `Stopped`, with the exit code. A worker releases its resources in `Stopping`, `Fenced` and
 * `Failed`. A lost lease leads to `Fenced` from every state that may write.
 */
import * as Schema from "effect/Schema"
import * as Machine from "./machine/Machine.ts"

/** Why a worker's process ends, with its exit code (75, 77 and 78 as in `sysexits.h`). */
export const exitCodes = {
  /** Stopped in order, on request. */
  Requested: 0,
  /** Recovery failed too often: restart later. */
  Temporary: 75,
  /** Approval was refused or revoked: pair again. */
  NotAuthorised: 77,
  /** The configuration is wrong: a restart does not help. */
  Configuration: 78,
  /** Another process has taken over this worker. */
  Fenced: 79,
  /** Stopped by a second request: running turns were interrupted. */
  Interrupted: 130
} as const

export type ExitReason = keyof typeof exitCodes

/** The state after reconnecting. */
const Serving = Schema.Literals(["Ready", "Paused"])

const Attempt = Schema.Int
const Detail = Schema.String

/** The states. `attempt` counts the recoveries since the worker was last healthy; `detail` is a sentence for people. */
export const WorkerState = Schema.TaggedUnion({
  Idle: {},
  /** Registers at the deployment. */
  Registering: { attempt: Attempt },
  /** Registered, and waits for its owner's approval. */
  AwaitingApproval: { attempt: Attempt },
  /** Acquires the lease and starts its services; `back` is the next state. */
  Connecting: { attempt: Attempt, back: Serving },
  Ready: { attempt: Attempt },
  /** Connected, starts no turn. */
  Paused: { attempt: Attempt },
  /** Starts no turn, and waits for running ones. */
  Draining: {},
  /** Releases its resources. */
  Stopping: { reason: Schema.Literals(["Requested", "Interrupted", "NotAuthorised"]), detail: Detail },
  /** Ended. The process exits with the code. */
  Stopped: {
    reason: Schema.Literals(["Requested", "Temporary", "NotAuthorised", "Configuration", "Fenced", "Interrupted"]),
    exitCode: Schema.Int,
    detail: Detail
  },
  /** Waits, longer each time, before it retries. */
  Recovering: {
    attempt: Attempt,
    back: Schema.Literals(["Registering", "AwaitingApproval", "Ready", "Paused"]),
    detail: Detail
  },
  /** Lost its lease: writes nothing, releases its resources. */
  Fenced: { detail: Detail },
  /** Cannot continue: releases its resources. */
  Failed: { reason: Schema.Literals(["Temporary", "NotAuthorised", "Configuration"]), detail: Detail }
})

export type WorkerState = typeof WorkerState.Type

/** The events. */
export const WorkerEvent = Schema.TaggedUnion({
  Start: {},
  Registered: { approved: Schema.Boolean },
  Approved: {},
  /** The owner refused or revoked the approval. */
  Revoked: { detail: Detail },
  Connected: {},
  /** The worker has served for a while: the next failure counts as the first. */
  Healthy: {},
  Pause: {},
  Resume: {},
  /** Finish running turns, then stop. */
  Drain: {},
  Drained: {},
  /** Stop: in order at the first request, at once at the second. */
  Stop: {},
  /** All resources were released. */
  Closed: {},
  /** A failure. Only `Temporary` is retried. */
  Fail: { reason: Schema.Literals(["Temporary", "NotAuthorised", "Configuration"]), detail: Detail },
  Retry: {},
  GiveUp: {},
  LeaseLost: { detail: Detail }
})

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
  Drain: stopping("Requested", "stopped before it served"),
  Stop: stopping("Requested", "stopped before it served")
} as const

const serving = {
  Healthy: healthy,
  Revoked: revoked,
  LeaseLost: fenced,
  Drain: { to: "Draining" },
  Stop: { to: "Draining" }
} as const

/** Releasing resources continues until it is done, whatever event arrives. */
const releasing = { Drain: stay, Stop: stay, Fail: stay, Revoked: stay } as const

const connectThen = <Back extends "Ready" | "Paused">(back: Back) => ({
  to: "Connecting" as const,
  when: cameFrom(back),
  data: ({ attempt }: { readonly attempt: number }) => ({ attempt, back })
})

/** The worker's lifecycle, for `Actor.start`. `WorkerLifecycle` adds backoff and time limits. */
export const WorkerMachine = Machine.make({
  name: "worker",
  state: WorkerState,
  event: WorkerEvent,
  initial: { _tag: "Idle" },
  table: {
    Idle: {
      Start: { to: "Registering", data: () => ({ attempt: 0 }) },
      Drain: { to: "Stopped", data: () => stopped("Requested", "stopped before it started") },
      Stop: { to: "Stopped", data: () => stopped("Requested", "stopped before it started") }
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
      Drained: stopping("Requested", "stopped on request"),
      Drain: stay,
      Stop: stopping("Interrupted", "stopped by a second request while turns ran"),
      Fail: failed,
      Revoked: revoked,
      LeaseLost: fenced
    },
    Stopping: {
      Closed: { to: "Stopped", data: ({ reason, detail }) => stopped(reason, detail) },
      LeaseLost: fenced,
      ...releasing
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
      ...releasing
    },
    Failed: {
      Closed: { to: "Stopped", data: ({ reason, detail }) => stopped(reason, detail) },
      LeaseLost: stay,
      ...releasing
    },
    Stopped: { Drain: stay, Stop: stay }
  }
})
