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
import { api } from "@opencode-worker/convex-backend/api"
import { Lease } from "@opencode-worker/convex-sync"
import {
  type AssistantWithParts,
  classifyTurn,
  type MessageWithParts,
  OpenCodeHost,
  type TurnOutcome,
  type TurnState,
  usageOf
} from "@opencode-worker/opencode-host"
import type { FunctionReturnType } from "convex/server"
import { Cause, Effect, Option, Schedule, Stream } from "effect"
import { finalParts } from "./FinalParts.ts"
import { finish } from "./Finish.ts"
import { RunningTurns } from "./RunningTurns.ts"
import { streamedText } from "./streamedText.ts"

/** What settlement needs to know of a turn. `delivered`: OpenCode had shown the prompt before. */
export type Unsettled = Pick<
  FunctionReturnType<typeof api.queue.unsettled>[number],
  "turnId" | "messageId" | "opencodeSessionId" | "delivered"
>

/**
 * What OpenCode has of a prompt: nothing, or its answers so far and how it stands.
 *
 * @category models
 * @since 0.1.0
 */
export interface Found {
  readonly assistants: ReadonlyArray<AssistantWithParts>
  readonly state: TurnState
}

const gone = { name: "SessionGone", message: "OpenCode no longer has this conversation" }
const cutShort = {
  name: "WorkerStopped",
  message:
    "The worker stopped in the middle of this turn. It is not run again by itself: send the prompt again if it is still wanted."
}

/** Ends that are no verdict on the prompt: a worker that stops, or recovers, has OpenCode abort what it runs. */
const cut: ReadonlySet<TurnOutcome> = new Set(["interrupted", "aborted"])

/**
 * The decision, where no operator asked for an abort. `seen`: OpenCode had shown the prompt before.
 *
 * @category predicates
 * @since 0.1.0
 */
export const verdict = (seen: boolean, found: Option.Option<Found>) => {
  if (Option.isNone(found)) return seen ? ({ outcome: "interrupted", error: gone } as const) : "requeue"
  const { state } = found.value
  return state._tag === "Ended" && !cut.has(state.outcome)
    ? { outcome: state.outcome, error: state.error }
    : ({ outcome: "interrupted", error: cutShort } as const)
}

/** The assistant's messages that answer the prompt, oldest first; nothing if OpenCode does not have the prompt whole. */
const find = Effect.fnUntraced(function* (sessionId: string, messageId: string) {
  const { abort, client } = yield* OpenCodeHost
  const prompt = client.messages.get(sessionId, messageId).pipe(
    Effect.map(({ parts }) => parts.length > 0),
    Effect.catchReason("HostError", "NotFound", () => Effect.succeed(false))
  )
  if (!(yield* prompt)) return Option.none<Found>()
  // Nobody listens to it any more: what still runs is stopped before it is judged.
  if ((yield* client.sessions.status)[sessionId] !== undefined) yield* abort(sessionId)
  const newestFirst = Stream.paginate(undefined as string | undefined, (before) =>
    client.messages
      .list(sessionId, { before })
      .pipe(Effect.map((page) => [page.messages.toReversed(), Option.fromUndefinedOr(page.before)] as const))
  )
  const since = yield* newestFirst.pipe(
    Stream.takeUntil(({ info }) => info.id === messageId),
    Stream.runCollect
  )
  const assistants = since.toReversed().filter((message) => answers(message, messageId))
  return Option.some<Found>({ assistants, state: classifyTurn(assistants, { sessionBusy: false }) })
})

const answers = (message: MessageWithParts, messageId: string): message is AssistantWithParts =>
  message.info.role === "assistant" && message.info.parentID === messageId

/**
 * Settles one turn. Safe to repeat: a turn that is settled stays as it is. One that an operator `aborted` is so, whatever
 * OpenCode has of it.
 *
 * @category operations
 * @since 0.1.0
 */
export const settle = Effect.fn("Settlement.settle")(function* (
  turn: Unsettled,
  { aborted = false }: { readonly aborted?: boolean } = {}
) {
  const lease = yield* Lease
  const { messageId, opencodeSessionId, turnId } = turn
  const found =
    messageId === null || opencodeSessionId === null ? Option.none<Found>() : yield* find(opencodeSessionId, messageId)
  const decision = aborted ? ({ outcome: "aborted" } as const) : verdict(turn.delivered, found)
  if (decision === "requeue") return yield* lease.mutation(api.queue.requeue, { turnId })
  const streamed = yield* streamedText(turnId)
  const assistants = Option.match(found, { onNone: () => [], onSome: (record) => record.assistants })
  yield* finish(turnId, { ...decision, usage: usageOf(assistants), parts: finalParts(assistants, { streamed }) })
})

/** Turns asked for at once. */
const window = 20

/** Between two looks at what could not be settled: the server that was asked may have died, and the next one boots. */
const later = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")])

/** Settles what can be settled now, and gives the number of turns that cannot. */
const settleSome = Effect.gen(function* () {
  const lease = yield* Lease
  const { ids } = yield* RunningTurns
  const failed = new Set<string>()
  const next = Effect.gen(function* () {
    const turns = yield* lease.query(api.queue.unsettled, { limit: window, running: [...(yield* ids)] })
    // A turn may have begun here since it was asked for.
    const run = new Set(yield* ids)
    return turns.filter(({ turnId }) => !failed.has(turnId) && !run.has(turnId))
  })
  for (let turns = yield* next; turns.length > 0; turns = yield* next) {
    yield* Effect.forEach(
      turns,
      (turn) =>
        settle(turn, { aborted: turn.abortRequested }).pipe(
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

/**
 * Settles all that is unfinished and does not run here. Costs one query when there is nothing, and no OpenCode server then.
 * A turn that cannot be settled now holds up no other, and is tried again until it can.
 *
 * @category operations
 * @since 0.1.0
 */
export const settleAll = Effect.repeat(settleSome, { until: (failed) => failed === 0, schedule: later })
