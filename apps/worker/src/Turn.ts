/**
 * One turn, from claim to its final parts.
 *
 * ```
 *   claim (ids minted and stored) ─▶ session from the pool ─▶ OpenCode shows the prompt ─▶ text as it comes ─▶ final parts
 *      └─ lost to another process: nothing to do                └─ from here on never sent again
 *      ├──────────────────── abort: nothing is sent ────────────┼─── abort: OpenCode stops it ──────────────────▶ aborted
 * ```
 *
 * Invariant: a claimed turn ends in `finish`, or stays as it is for settlement, which reads what OpenCode has of it.
 *
 * @since 0.1.0
 */
import { api, type Id } from "@opencode-worker/convex-backend/api"
import {
  type ConvexSyncError,
  DeltaWriter,
  Inbox,
  isConvexSyncError,
  Lease,
  type ReadyTurn,
  Requests,
  Settlement,
  StreamedText,
  TurnResult
} from "@opencode-worker/convex-sync"
import { ModelCache, type ModelCacheError } from "@opencode-worker/model-cache"
import {
  answeredBy,
  ascendingId,
  type HostError,
  OpenCodeHost,
  type TurnEvent,
  type TurnInput
} from "@opencode-worker/opencode-host"
import type { SessionPoolError } from "@opencode-worker/session-pool"
import { Cause, Effect, Option, Predicate, Ref, Result, Schedule, Stream } from "effect"
import { finalParts } from "./FinalParts.ts"
import * as LiveNotice from "./LiveNotice.ts"
import { type RunningTurn, RunningTurns } from "./RunningTurns.ts"
import { Sessions } from "./Sessions.ts"
import * as ToolSegment from "./terminal/ToolPreview.ts"

/** No turn runs longer than this; a model that hangs is given up by OpenCode after about half an hour. */
const deadline = "1 hour"

/**
 * Until the prompt is delivered everything may be done again, with the same ids: a server that died under it is started
 * anew. After that OpenCode says what became of the turn, and does not fail.
 */
const whileUndelivered = Schedule.exponential("500 millis").pipe(Schedule.upTo({ times: 4 }))
const serverless: ReadonlySet<string> = new Set([
  "Closed",
  "Unavailable",
  "Timeout",
  "StartFailed",
  "FetchFailed",
  "FetchTimedOut"
])
const isUndelivered = ({ _tag, reason }: ConvexSyncError | HostError | ModelCacheError | SessionPoolError) =>
  _tag !== "ConvexClientError" && serverless.has(reason._tag)

/** Somebody deleted the conversation at OpenCode's own terminal since it was looked up. */
const isDeleted = ({ _tag, reason }: ConvexSyncError | HostError | ModelCacheError | SessionPoolError) =>
  _tag === "HostError" && reason._tag === "NotFound"

/** Its operator deletes the conversation: no session of OpenCode's can be bound to it any more. */
const isUnwanted = (error: unknown) =>
  isConvexSyncError(error) && error.reason._tag === "Rejected" && error.reason.code === "Conflict"

/** Somebody at OpenCode's own terminal, or a worker that was fenced and does not know yet, runs a turn in the session. */
const whileBusy = Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: deadline }))
const isBusy = ({ reason }: ConvexSyncError | HostError) => reason._tag === "Busy"

/** A prompt that OpenCode does not show by then waits for something that its operator wants to know. */
const slowDelivery = "5 seconds"

/** How long a stopping worker tries to settle a turn itself. */
const goodbye = "5 seconds"

/**
 * Runs a ready turn. What goes wrong with the turn itself is the turn's outcome; this fails only if the deployment
 * refuses to be told, which leaves the turn to settlement.
 *
 * @category operations
 * @since 0.1.0
 */
export const runTurn = Effect.fn("Turn.run")(function* (turn: ReadyTurn) {
  const { agent, model, sessionId, text, turnId } = turn
  const deltas = yield* DeltaWriter
  const inbox = yield* Inbox
  const models = yield* ModelCache
  const requests = yield* Requests
  const sessions = yield* Sessions
  const { settle } = yield* Settlement
  const running = yield* Effect.flatMap(RunningTurns, ({ enter }) => enter(turn))
  const messageId = yield* ascendingId("msg")
  const partId = yield* ascendingId("prt")
  if (!(yield* inbox.claim(turnId, { messageId, partId }))) return

  yield* Effect.sleep(slowDelivery).pipe(
    Effect.andThen(running.isDelivered),
    Effect.flatMap((is) => (is ? Effect.void : deltas.append(turnId, LiveNotice.notDelivered))),
    Effect.forkScoped
  )
  const answer = Effect.gen(function* () {
    // OpenCode chooses what the prompt does not name: by its configuration, the agent, and the session.
    const named = model === null ? undefined : yield* models.resolve(model)
    return yield* sessions.use(sessionId, ({ notice, opencodeSessionId }) => {
      const input = {
        sessionId: opencodeSessionId,
        messageId,
        partId,
        text,
        model: named?.id,
        deadline
      } as const
      return requests.follow({ turnId, opencodeSessionId }).pipe(
        Effect.andThen(prompt(turnId, { ...input, agent: agent ?? undefined }, running)),
        Effect.flatMap((ended) =>
          Effect.flatMap(Ref.getAndSet(notice, Option.none()), (said) =>
            // What the deployment refuses here is to be told: the turn has its end, which OpenCode keeps.
            Effect.result(keep(turnId, ended, Option.toArray(said)))
          )
        ),
        // A worker that stops says what became of the turn while it still can; the next start would find out, too.
        Effect.onInterrupt(() =>
          Effect.flatMap(running.isAborted, (aborted) =>
            settle({ turnId, messageId, opencodeSessionId, delivered: false, abortRequested: aborted })
          ).pipe(Effect.timeoutOption(goodbye), Effect.ignore)
        ),
        Effect.scoped
      )
    })
  }).pipe(
    Effect.tapError((error) =>
      isUndelivered(error) ? deltas.append(turnId, LiveNotice.restarting(error.message)) : Effect.void
    ),
    Effect.retry({ schedule: whileUndelivered, while: isUndelivered })
  )
  const carriedThrough = Effect.catchIf(answer, isDeleted, () => Effect.andThen(sessions.invalidate(sessionId), answer))
  const told = yield* Effect.catchCauseIf(
    Effect.raceFirst(carriedThrough, Effect.as(running.cancelled, Result.void)),
    (cause) => !Cause.hasInterrupts(cause),
    (cause) => {
      const error = Cause.squash(cause)
      if (isUnwanted(error)) return Effect.as(TurnResult.finish(turnId, { outcome: "aborted", parts: [] }), Result.void)
      const { name, message } = reasonOf(error)
      return Effect.logWarning(`A turn failed: ${message}`).pipe(
        Effect.andThen(TurnResult.finish(turnId, { outcome: "failed", error: { name, message }, parts: [] })),
        Effect.as(Result.void)
      )
    }
  )
  // Changes nothing where OpenCode's record has said more.
  if (yield* running.isCancelled) yield* TurnResult.finish(turnId, { outcome: "aborted", parts: [] })
  yield* Effect.fromResult(told)
}, Effect.scoped)

/** What the operator is told: the reason of a library's error, or whatever broke. */
const reasonOf = (error: unknown) => {
  const message = error instanceof Error ? error.message : String(error)
  const reason = Predicate.hasProperty(error, "reason") ? error.reason : error
  return { name: Predicate.hasProperty(reason, "_tag") ? String(reason._tag) : "WorkerError", message }
}

type Ended = Extract<TurnEvent, { readonly _tag: "Ended" }>

/** A turn that was cut short keeps what was shown of it, which OpenCode may not have stored. */
const keep = Effect.fnUntraced(function* (turnId: Id<"turns">, ended: Ended, notices: ReadonlyArray<string>) {
  const { error, messages, outcome, usage } = ended
  const deltas = yield* DeltaWriter
  const streamed = outcome === "completed" ? [] : yield* Effect.andThen(deltas.flush(turnId), StreamedText.read(turnId))
  const parts = finalParts(messages, { notices, streamed, completed: outcome === "completed" })
  const by = answeredBy(messages)
  yield* TurnResult.finish(turnId, { outcome, error, usage, answeredBy: by, announcesLoss: notices.length > 0, parts })
})

/** Sends the prompt and passes on what comes, until its end. */
const prompt = Effect.fnUntraced(function* (turnId: Id<"turns">, input: TurnInput, running: RunningTurn) {
  const { abort, turn } = yield* OpenCodeHost
  const deltas = yield* DeltaWriter
  let isAnnounced = false
  /** Once: it is tried again every second. */
  const announceBusy = Effect.suspend(() => {
    if (isAnnounced) return Effect.void
    isAnnounced = true
    return deltas.append(turnId, LiveNotice.sessionBusy)
  })
  return yield* turn(input).pipe(
    Stream.tap(({ _tag }) => (_tag === "Delivered" ? running.delivered(abort(input.sessionId)) : Effect.void)),
    Stream.tap((event) => passOn(turnId, event)),
    Stream.filter((event) => event._tag === "Ended"),
    Stream.runHead,
    Effect.flatMap(Effect.fromOption),
    Effect.catchTag("NoSuchElementError", Effect.die),
    Effect.tapError((error) => (isBusy(error) ? announceBusy : Effect.void)),
    Effect.retry({ schedule: whileBusy, while: isBusy })
  )
})

const passOn = Effect.fnUntraced(function* (turnId: Id<"turns">, event: TurnEvent) {
  const deltas = yield* DeltaWriter
  const lease = yield* Lease
  switch (event._tag) {
    case "Delivered":
      // Beside the stream: the text goes on while the deployment is away, and the turn's end says more than this does.
      return yield* Effect.forkChild(Effect.ignore(lease.mutation(api.queue.deliver, { turnId })))
    case "TextDelta":
      return yield* deltas.append(turnId, { partId: event.partId, kind: event.kind, text: event.delta })
    case "ToolUpdated": {
      const segment = ToolSegment.ofPart(event.part)
      if (Option.isSome(segment)) {
        yield* deltas.append(turnId, { partId: event.part.id, kind: "tool", text: ToolSegment.encode(segment.value) })
      }
      return
    }
    case "RetryScheduled":
      yield* Effect.logInfo(`The model's provider failed, OpenCode tries again: ${event.message}`)
      return yield* deltas.append(turnId, LiveNotice.retry(event))
    case "Compaction":
      return yield* deltas.append(turnId, LiveNotice.compaction(event))
    case "RequestOpened":
    case "RequestClosed":
    case "Ended":
      return
  }
})
