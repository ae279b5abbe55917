/**
 * What becomes of a turn that an earlier process left unfinished, or this one, because the deployment refused its end.
 * OpenCode's record decides; nothing that may have had effects is run again.
 *
 * | OpenCode has | the turn becomes |
 * | --- | --- |
 * | no such prompt, and it was never seen there | queued again, as if nothing had happened |
 * | no such prompt, though it was seen there | interrupted, with the text that was streamed |
 * | the prompt, and how the turn ended | what OpenCode says, with its parts |
 * | the prompt, and no end, or one by an abort | interrupted, with the text that was streamed |
 * | whatever it has, and an operator asked for an abort | aborted, with the text that was streamed |
 *
 * @since 0.1.0
 */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import type { FunctionReturnType } from "convex/server"
import { Cause, Context, Effect, Layer, Schedule } from "effect"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import type { DeltaWriter } from "./DeltaWriter.ts"
import { settlementOverLease } from "./internal/settlementOverLease.ts"
import type { Lease } from "./Lease.ts"
import type * as StreamedText from "./StreamedText.ts"
import type * as TurnResult from "./TurnResult.ts"

/**
 * What settlement needs to know of a turn. `messageId`: the prompt's id in OpenCode. `delivered`: OpenCode had shown it.
 *
 * @category models
 * @since 0.1.0
 */
export type UnsettledTurn = Pick<
  FunctionReturnType<typeof backendApi.queue.unsettled>[number],
  "turnId" | "messageId" | "opencodeSessionId" | "delivered" | "abortRequested"
>

/**
 * How a prompt stands in OpenCode. `Unfinished`: it has no end, and nobody goes on with it.
 *
 * @category models
 * @since 0.1.0
 */
export type PromptState =
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Unfinished" }
  | ({ readonly _tag: "Ended" } & Pick<TurnResult.TurnResult, "outcome" | "error">)

/**
 * What OpenCode has of a prompt.
 *
 * @category models
 * @since 0.1.0
 */
export interface PromptRecord {
  readonly state: PromptState
  readonly usage?: TurnResult.TurnResult["usage"]
  readonly answeredBy?: TurnResult.TurnResult["answeredBy"]
  /** Its answer, completed by the text that was `streamed`, of which OpenCode may have lost the end. */
  readonly parts: (streamed: ReadonlyArray<StreamedText.StreamedPart>) => ReadonlyArray<TurnResult.FinalPart>
}

/**
 * What is needed from OpenCode.
 *
 * @category ports
 * @since 0.1.0
 */
export interface SettlementSource {
  /** Stops what still runs in the session before it looks: nobody listens to that any more. */
  readonly find: (prompt: {
    readonly opencodeSessionId: string
    readonly messageId: string
  }) => Effect.Effect<PromptRecord, Error>
}

/**
 * What is needed from a deployment. Everything may be repeated.
 *
 * @category ports
 * @since 0.1.0
 */
export interface SettlementStore {
  /** At most 20 turns that were claimed and have not ended, without the ones that are `running` here, at most 20. */
  readonly unsettled: (
    running: ReadonlyArray<Id<"turns">>
  ) => Effect.Effect<ReadonlyArray<UnsettledTurn>, ConvexSyncError>
  readonly streamed: (turnId: Id<"turns">) => Effect.Effect<ReadonlyArray<StreamedText.StreamedPart>, ConvexSyncError>
  /** Takes back the claim with this `messageId`, and no other. Refuses a turn that was delivered. */
  readonly requeue: (turnId: Id<"turns">, messageId: string | null) => Effect.Effect<unknown, ConvexSyncError>
  readonly finish: (turnId: Id<"turns">, result: TurnResult.TurnResult) => Effect.Effect<unknown, ConvexSyncError>
}

const gone = { name: "SessionGone", message: "OpenCode no longer has this conversation" }
const cutShort = {
  name: "WorkerStopped",
  message:
    "The worker stopped in the middle of this turn. It is not run again by itself: send the prompt again if it is still wanted."
}

/** Ends that are no verdict on the prompt: a worker that stops, or recovers, has OpenCode abort what it runs. */
const cut: ReadonlySet<string> = new Set(["interrupted", "aborted"])

type Decision = "requeue" | Pick<TurnResult.TurnResult, "outcome" | "error">

const decide = (
  { abortRequested, delivered }: Pick<UnsettledTurn, "abortRequested" | "delivered">,
  state: PromptState
): Decision => {
  if (abortRequested) return { outcome: "aborted" }
  if (state._tag === "Absent") return delivered ? { outcome: "interrupted", error: gone } : "requeue"
  return state._tag === "Ended" && !cut.has(state.outcome)
    ? { outcome: state.outcome, error: state.error }
    : { outcome: "interrupted", error: cutShort }
}

/**
 * @category services
 * @since 0.1.0
 */
export class Settlement extends Context.Service<
  Settlement,
  {
    /** Settles one turn. Safe to repeat: one that is settled stays as it is. */
    readonly settle: (turn: UnsettledTurn) => Effect.Effect<void, Error>
    /**
     * Settles all that is unfinished and is not `running` here. Costs one query when there is nothing, and does not ask
     * OpenCode then. A turn that cannot be settled now holds up no other, and is tried again until it can.
     */
    readonly settleAll: (running: Effect.Effect<ReadonlyArray<Id<"turns">>>) => Effect.Effect<void, ConvexSyncError>
  }
>()("@opencode-worker/convex-sync/Settlement") {
  /** The decision, from the deployment's record of a turn and OpenCode's. */
  static readonly decide = decide

  /** Between any two. */
  static readonly make = (source: SettlementSource, store: SettlementStore): Settlement["Service"] =>
    between(source, store)

  /** Under the lease. */
  static readonly layer = (source: SettlementSource): Layer.Layer<Settlement, never, DeltaWriter | Lease> =>
    Layer.effect(
      Settlement,
      Effect.map(settlementOverLease, (store) => between(source, store))
    )
}

/** Between two looks at what could not be settled: the server that was asked may have died, and the next one boots. */
const later = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")])

const nothing: PromptRecord = { state: { _tag: "Absent" }, parts: () => [] }

const between = (source: SettlementSource, store: SettlementStore): Settlement["Service"] => {
  const settle = Effect.fn("Settlement.settle")(function* (turn: UnsettledTurn) {
    const { messageId, opencodeSessionId, turnId } = turn
    const asked = messageId !== null && opencodeSessionId !== null
    const record = asked ? yield* source.find({ messageId, opencodeSessionId }) : nothing
    const decision = decide(turn, record.state)
    if (decision === "requeue") return yield* Effect.asVoid(store.requeue(turnId, messageId))
    const parts = record.parts(yield* store.streamed(turnId))
    yield* store.finish(turnId, { ...decision, usage: record.usage, answeredBy: record.answeredBy, parts })
  })

  /** Settles what can be settled now, and gives the number of turns that cannot. */
  const settleSome = Effect.fnUntraced(function* (running: Effect.Effect<ReadonlyArray<Id<"turns">>>) {
    const failed = new Set<string>()
    const next = Effect.gen(function* () {
      const turns = yield* store.unsettled(yield* running)
      // A turn may have begun here since it was asked for.
      const run = new Set(yield* running)
      return turns.filter(({ turnId }) => !failed.has(turnId) && !run.has(turnId))
    })
    for (let turns = yield* next; turns.length > 0; turns = yield* next) {
      yield* Effect.forEach(
        turns,
        (turn) =>
          settle(turn).pipe(
            Effect.catchCause((cause) => {
              if (Cause.hasInterrupts(cause)) return Effect.interrupt
              failed.add(turn.turnId)
              return Effect.logWarning("A turn that was left unfinished could not be settled", cause)
            })
          ),
        { discard: true }
      )
    }
    return failed.size
  })

  return Settlement.of({
    settle,
    settleAll: (running) =>
      settleSome(running).pipe(Effect.repeat({ until: (failed) => failed === 0, schedule: later }), Effect.asVoid)
  })
}
