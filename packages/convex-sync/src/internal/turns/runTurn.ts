/** One claimed turn, from the delivery of its prompt to its result. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AgentEvent, AgentSession, Ended, Prompt, PromptIds } from "../../Agent.ts"
import { type AgentError, isAgentError } from "../../AgentError.ts"
import type { AgentReason } from "../../AgentReason.ts"
import type { DeltaWriter } from "../../DeltaWriter.ts"
import type { Recovery } from "../../Recovery.ts"
import type { StreamedPart, TurnResult } from "../../TurnResult.ts"
import type { ClaimedPrompt, TurnStore } from "../../TurnStore.ts"
import { countTurn } from "../metrics.ts"
import type { makeRequests } from "./requests.ts"
import type { TurnHandle } from "./TurnHandle.ts"

export interface TurnServices {
  readonly store: TurnStore
  readonly deltas: DeltaWriter["Service"]
  readonly recovery: Recovery
  readonly requests: Effect.Success<ReturnType<typeof makeRequests>>
}

const whileUnavailable = Schedule.exponential("500 millis").pipe(Schedule.upTo({ times: 4 }))
const whileBusy = Schedule.spaced("1 second").pipe(Schedule.upTo({ duration: "1 hour" }))
const reasonIs =
  (tag: AgentReason["_tag"]) =>
  ({ reason }: AgentError): boolean =>
    reason._tag === tag

/** Stopping a turn waits no longer than this for its recovery. Otherwise the next process recovers it. */
const stopTimeout = "5 seconds"

const notice = (id: string, text: string) => ({ partId: `notice:${id}`, kind: "notice" as const, text })

/** The error for the operator: the reason of a library's error, or the defect. */
const toTurnError = (error: unknown) => {
  const reason = Predicate.hasProperty(error, "reason") ? error.reason : error
  const name = isAgentError(error) && error.reason._tag === "Failed" ? error.reason.name : undefined
  return {
    name: name ?? (Predicate.hasProperty(reason, "_tag") ? String(reason._tag) : "WorkerError"),
    message: error instanceof Error ? error.message : String(error)
  }
}

/** Removes the text that was streamed before from the beginning of each part. */
const unseenText = (streamed: ReadonlyArray<StreamedPart>) => {
  const left = new Map(streamed.map(({ partId, text }) => [partId, text.length]))
  return (partId: string, text: string): string => {
    const skipped = Math.min(left.get(partId) ?? 0, text.length)
    left.set(partId, (left.get(partId) ?? 0) - skipped)
    return text.slice(skipped)
  }
}

/** Delivers the prompt and follows the turn to its end. Fails only with errors of the agent. */
const follow = Effect.fnUntraced(function* (
  { deltas, requests, store }: TurnServices,
  handle: TurnHandle,
  session: AgentSession,
  { fileCount, ...claimed }: PromptIds & ClaimedPrompt
) {
  const { turn } = handle
  const { delivery, turnId } = turn
  const files = fileCount === 0 ? [] : yield* store.files(turnId)
  const prompt: Prompt = { ...claimed, delivery, files }
  const appendText = (segment: StreamedPart) => (segment.text === "" ? Effect.void : deltas.append(turnId, segment))
  let isBusyShown = false
  const showBusy = ({ message, reason }: AgentError) => {
    if (reason._tag !== "Busy" || isBusyShown) return Effect.void
    isBusyShown = true
    return deltas.append(turnId, notice("busy", message))
  }
  const showResend = ({ message, reason }: AgentError) =>
    reason._tag === "Unavailable"
      ? deltas.append(turnId, notice("restart", `The agent did not take the prompt, which is sent again: ${message}`))
      : Effect.void

  // An earlier process has streamed the beginning of these parts, which the agent reports again.
  const streamed = handle.adopted ? yield* Effect.orElseSucceed(store.streamed(turnId), () => []) : []
  const unseen = unseenText(streamed)

  const onEvent = (event: AgentEvent): Effect.Effect<unknown, never, Scope.Scope> => {
    switch (event._tag) {
      case "Delivered":
        handle.phase = "delivered"
        // Concurrently: the text goes on while the deployment is unreachable, and the end of the turn replaces this.
        return Effect.forkScoped(Effect.ignore(store.deliver(turnId)))
      case "TextDelta":
        return appendText({ partId: event.partId, kind: event.kind, text: unseen(event.partId, event.text) })
      case "ToolProgress": {
        const { _tag, partId, ...progress } = event
        return deltas.append(turnId, { partId, kind: "tool", text: JSON.stringify(progress) })
      }
      case "ToolOutput":
        return deltas.append(turnId, { partId: event.partId, kind: "output", text: event.text })
      case "SubAgentProgress": {
        const { current, partId, tools } = event
        return deltas.append(turnId, { partId, kind: "progress", text: JSON.stringify({ tools, current }) })
      }
      case "Todos":
        return deltas.append(turnId, { partId: "todos", kind: "todos", text: JSON.stringify(event.todos) })
      case "Notice": {
        const { _tag, id, ...said } = event
        return deltas.append(turnId, { partId: id, kind: "notice", ...said })
      }
      case "RequestOpened":
        return requests.open({ ...turn, requests: handle.requests }, event.request)
      case "RequestClosed":
        return requests.close({ ...turn, requests: handle.requests }, event.requestId)
      case "Ended":
        return Effect.void
    }
  }

  const run = Effect.suspend(() => {
    let ended: Ended | undefined
    return session.run(prompt).pipe(
      Stream.takeUntil(({ _tag }) => _tag === "Ended"),
      Stream.runForEachArray((events) => {
        const last = events.at(-1)
        if (last?._tag === "Ended") ended = last
        // Without a loop for a piece of text that comes alone.
        return events.length === 1 ? onEvent(events[0]) : Effect.forEach(events, onEvent, { discard: true })
      }),
      Effect.flatMap(() => (ended === undefined ? Effect.die("The turn has no end") : Effect.succeed(ended)))
    )
  })
  return yield* run.pipe(
    Effect.tapError(showBusy),
    Effect.retry({ schedule: whileBusy, while: reasonIs("Busy") }),
    Effect.retry({ times: 1, while: reasonIs("SessionGone") }),
    Effect.tapError(showResend),
    Effect.retry({ schedule: whileUnavailable, while: reasonIs("Unavailable") }),
    // The end of the scope forgets the requests.
    Effect.onInterrupt(() =>
      Effect.sync(() => {
        handle.wasAsking = handle.requests.size > 0
      })
    )
  )
}, Effect.scoped)

/** A turn that did not complete keeps the text that was streamed, which the agent may not have stored. */
const toResult = Effect.fnUntraced(function* ({ deltas, store }: TurnServices, { turn }: TurnHandle, ended: Ended) {
  const { announcesLoss, answeredBy, changes, context, error, outcome, usage } = ended
  const { turnId } = turn
  const streamed = outcome === "completed" ? [] : yield* Effect.andThen(deltas.flush(turnId), store.streamed(turnId))
  const parts = ended.parts(streamed)
  const result: TurnResult = { outcome, error, usage, answeredBy, context, changes, announcesLoss, parts }
  return result
})

const failed = Effect.fnUntraced(function* (cause: Cause.Cause<AgentError>) {
  const error = Cause.squash(cause)
  const aborted: TurnResult = { outcome: "aborted", parts: [] }
  if (isAgentError(error) && error.reason._tag === "Deleting") return aborted
  const shown = toTurnError(error)
  yield* Effect.logWarning(`A turn failed: ${shown.message}`)
  const result: TurnResult = { outcome: "failed", error: shown, parts: [] }
  return result
})

/**
 * Runs a claimed turn. A failure of the turn is its result; this fails only when the deployment refuses the result, which
 * leaves the turn to recovery.
 */
export const runTurn = Effect.fn("TurnScheduler.turn")(function* (
  services: TurnServices,
  handle: TurnHandle,
  session: AgentSession,
  claimed: PromptIds & ClaimedPrompt
) {
  const { turnId } = handle.turn
  const { messageId } = claimed
  /** A turn that is stopped here ends as the agent's record says. False: it could not be recovered in time. */
  const recover = Effect.flatMap(session.id, (agentSessionId) =>
    services.recovery.recover({
      turnId,
      messageId,
      agentSessionId,
      delivered: handle.phase === "delivered",
      abortRequested: handle.aborted,
      asks: handle.wasAsking
    })
  ).pipe(Effect.timeoutOption(stopTimeout), Effect.match({ onFailure: () => false, onSuccess: Option.isSome }))
  const startedAt = yield* Clock.currentTimeMillis
  const finish = Effect.fnUntraced(function* (result: TurnResult) {
    yield* services.store.finish(turnId, result)
    yield* countTurn(result.outcome)
    const millis = (yield* Clock.currentTimeMillis) - startedAt
    yield* Effect.logInfo(`Turn ended: ${result.outcome}`, { millis })
  })
  const finishAborted = Effect.suspend(() => finish({ outcome: "aborted", parts: [] }))

  yield* Effect.logInfo("Turn started")
  if (handle.aborted) return yield* handle.adopted && (yield* recover) ? Effect.void : finishAborted
  const end = yield* follow(services, handle, session, claimed).pipe(
    Effect.exit,
    Effect.asSome,
    Effect.raceFirst(Effect.as(Deferred.await(handle.cancelled), Option.none<Exit.Exit<Ended, AgentError>>())),
    Effect.onInterrupt(() => recover)
  )
  if (Option.isNone(end)) return yield* (yield* recover) ? Effect.void : finishAborted
  const exit = end.value
  if (Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause)) return yield* Effect.failCause(exit.cause)
  const result = Exit.isSuccess(exit) ? yield* toResult(services, handle, exit.value) : yield* failed(exit.cause)
  yield* services.deltas.discard(turnId)
  yield* finish(result)
})
