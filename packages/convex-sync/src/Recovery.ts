/**
 * Reconciles turns that an earlier process left unfinished, or this one, because the deployment refused their end. The
 * agent's record decides. A prompt that may have had effects is never run again.
 *
 * | record of the agent | the turn becomes |
 * | --- | --- |
 * | no such prompt, and it was never delivered | queued again |
 * | no such prompt, although it was delivered | interrupted, with the streamed text |
 * | the prompt and the end of its turn | as the record says, with its parts |
 * | the prompt without an end, or aborted | interrupted, with the streamed text; the error shows whether it waited for an answer |
 * | the prompt, and a request of it waits | adopted by this process, which follows it: the request stays open |
 * | any, and an operator requested an abort | aborted, with the streamed text |
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Agent, AgentEnd, PromptRecord, PromptState } from "./Agent.ts"
import type { AgentError } from "./AgentError.ts"
import { countRecovery } from "./internal/metrics.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import type { OrphanedTurn, TurnStore, UnfinishedTurn } from "./TurnStore.ts"

const sessionGone = { name: "SessionGone", message: "The agent no longer has this session" }
const workerStopped = {
  name: "WorkerStopped",
  message:
    "The worker stopped in the middle of this turn. It is not run again by itself: send the prompt again if it is still wanted."
}

const notAnswered = {
  name: "NotAnswered",
  message:
    "The worker stopped while this turn waited for your answer: it was asked, and not answered. Send the prompt again if it is still wanted."
}

/** A worker that stops or recovers aborts its session: these ends say nothing about the prompt. */
const inconclusive: ReadonlySet<string> = new Set(["interrupted", "aborted"])

/** The decision of the table above. */
export const decide = (
  { abortRequested, asks, delivered }: Pick<UnfinishedTurn, "abortRequested" | "asks" | "delivered">,
  state: PromptState
): "requeue" | "leave" | AgentEnd => {
  if (abortRequested) return { outcome: "aborted" }
  if (state._tag === "Asking") return "leave"
  if (state._tag === "Absent") return delivered ? { outcome: "interrupted", error: sessionGone } : "requeue"
  return state._tag === "Ended" && !inconclusive.has(state.outcome)
    ? { outcome: state.outcome, error: state.error }
    : { outcome: "interrupted", error: asks ? notAnswered : workerStopped }
}

const sentence = (outcome: RecoveryOutcome, count: number) =>
  `${count === 1 ? "1 turn of an earlier process was" : `${count} turns of an earlier process were`} ${outcome}`

/** Delay before turns that could not be recovered are tried again: the agent's server may be restarting. */
const retryDelay = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")])

const absent: PromptRecord = { state: { _tag: "Absent" }, parts: () => [] }

/** `adopted`: it goes on in the agent, and was left as it is. */
export type RecoveryOutcome = AgentEnd["outcome"] | "adopted" | "requeued"

export interface Recovery {
  /** Recovers one turn, and returns its outcome. Safe to repeat: a turn that has ended does not change. */
  readonly recover: (turn: UnfinishedTurn) => Effect.Effect<RecoveryOutcome, AgentError | ConvexSyncError>
  /**
   * Recovers every unfinished turn that is not `running` in this process. One query and no call of the agent if there is
   * none. A turn that cannot be recovered now delays no other, and is retried until it can be.
   */
  readonly recoverAll: (running: Effect.Effect<ReadonlyArray<Id<"turns">>>) => Effect.Effect<void, ConvexSyncError>
}

export const make = (
  agent: Pick<Agent["Service"], "record">,
  store: Pick<TurnStore, "finish" | "orphaned" | "requeue" | "streamed">,
  /** Goes on with a turn that was left. From then on it is among the `running` ones. */
  adopt: (turn: OrphanedTurn) => Effect.Effect<void>
): Recovery => {
  const recover = Effect.fn("Recovery.recover")(function* (turn: UnfinishedTurn) {
    const { agentSessionId, messageId, turnId } = turn
    const isKnown = messageId !== null && agentSessionId !== null
    const record = isKnown
      ? yield* agent.record({ agentSessionId, messageId, leavesAsking: !turn.abortRequested })
      : absent
    const decision = decide(turn, record.state)
    if (decision === "leave") {
      yield* countRecovery("adopted")
      return "adopted"
    }
    if (decision === "requeue") {
      yield* store.requeue(turnId, messageId)
      yield* countRecovery("requeued")
      return "requeued"
    }
    const { answeredBy, changes, context, usage } = record
    const parts = record.parts(yield* store.streamed(turnId))
    yield* store.finish(turnId, { ...decision, usage, answeredBy, context, changes, parts })
    yield* countRecovery(decision.outcome)
    return decision.outcome
  })

  /** One pass. Returns the number of turns that could not be recovered. */
  const pass = Effect.fnUntraced(function* (running: Effect.Effect<ReadonlyArray<Id<"turns">>>) {
    const failed = new Set<string>()
    const outcomes = new Map<RecoveryOutcome, number>()
    const next = Effect.gen(function* () {
      const turns = yield* store.orphaned(yield* running)
      // A turn may have been claimed here while the query ran.
      const claimed = new Set(yield* running)
      return turns.filter(({ turnId }) => !failed.has(turnId) && !claimed.has(turnId))
    })
    const recovered = (outcome: RecoveryOutcome) => {
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    const attempt = (turn: OrphanedTurn) =>
      Effect.catchCause(
        Effect.flatMap(recover(turn), (outcome) => {
          recovered(outcome)
          return outcome === "adopted" ? adopt(turn) : Effect.void
        }),
        (cause) => {
          if (Cause.hasInterrupts(cause)) return Effect.interrupt
          failed.add(turn.turnId)
          return Effect.logWarning("An unfinished turn could not be recovered", cause)
        }
      )
    for (let turns = yield* next; turns.length > 0; turns = yield* next) {
      yield* Effect.forEach(turns, attempt, { discard: true })
    }
    for (const [outcome, count] of outcomes) yield* Effect.logInfo(sentence(outcome, count))
    return failed.size
  })

  return {
    recover,
    recoverAll: (running) =>
      Effect.asVoid(Effect.repeat(pass(running), { until: (failed) => failed === 0, schedule: retryDelay }))
  }
}
