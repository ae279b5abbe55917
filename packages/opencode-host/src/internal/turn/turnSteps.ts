/** The events of a running turn, from each signal that may change it. It decides the end. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Match from "effect/Match"
import { HostError } from "../../HostError.ts"
import { Unavailable } from "../../HostErrorReason.ts"
import type { HostEvent } from "../../HostEvent.ts"
import type { AssistantWithParts, OpenCodeEvent } from "../../OpenCodeClient.ts"
import { classifyTurn, usageOf } from "../../Turn.ts"
import type { Ended, TurnEvent, TurnFailure } from "../../TurnEvent.ts"
import type { Running } from "../server/supervisor.ts"
import { usageWithAgents } from "./agentUsage.ts"
import type { budgetTracker } from "./budget.ts"
import type { makeDeadline } from "./deadline.ts"
import { isDelivered } from "./delivery.ts"
import { notTakenOver, turnInRecord } from "./record.ts"
import type { requestTracker } from "./requests.ts"
import type { RunningTurn } from "./runningTurns.ts"
import type { Prompt, TurnHost } from "./turnHost.ts"
import { rejectionOf, type turnReader } from "./turnReader.ts"
import { type TurnProgress, turnStates } from "./turnState.ts"

export type Signal =
  | HostEvent
  | { readonly _tag: "Delivered" }
  /** OpenCode has responded to a command: its turn has ended, or it was refused. */
  | { readonly _tag: "Responded"; readonly rejection: TurnFailure | undefined }
  | { readonly _tag: "Tick" }
  | { readonly _tag: "Exited" }
  | { readonly _tag: "Deadline" }
  | { readonly _tag: "Oldest" }

/** The failure of a turn that may be sent to the next server. */
export const operation = "turn"
/** A server that must be started again to read how the turn ended. */
const recoveryLimit = Duration.seconds(60)

/** The parts of one running turn. `followed`: OpenCode had the prompt before, so its text may have been reported. */
interface Parts {
  readonly host: TurnHost
  readonly input: Prompt
  readonly turn: RunningTurn
  readonly server: Running
  readonly progress: TurnProgress
  readonly followed: boolean
  readonly reader: ReturnType<typeof turnReader>
  readonly requests: ReturnType<typeof requestTracker>
  readonly budget: ReturnType<typeof budgetTracker>
  readonly deadline: Effect.Success<ReturnType<typeof makeDeadline>>
}

export interface TurnSteps {
  /** The effect of a signal. */
  readonly step: (signal: Signal) => Effect.Effect<ReadonlyArray<TurnEvent>, HostError>
  /** The events of a signal that has no other effect, such as a piece of text; undefined for any other signal. */
  readonly plain: (signal: Signal | undefined) => ReadonlyArray<TurnEvent> | undefined
}

export const turnSteps = ({
  budget,
  deadline,
  followed,
  host,
  input,
  progress,
  reader,
  requests,
  server,
  turn
}: Parts): TurnSteps => {
  const { client } = host
  const { sessionId } = input
  const states = turnStates(client, input, turn, progress, reader)
  /** The requests of a session are those of the prompt that the model answers. */
  const tracksRequests = () => !reader.isTakenOver() && (reader.hasBegun() || Deferred.isDoneUnsafe(turn.isOldest))

  const end = (
    outcome: Ended["outcome"],
    error: TurnFailure | undefined,
    messages: ReadonlyArray<AssistantWithParts>,
    takenOver = false
  ): ReadonlyArray<TurnEvent> => {
    progress.ended = true
    if (messages.length > 0) progress.sending = false
    const last: TurnEvent = { _tag: "Ended", outcome, error, messages, usage: usageOf(messages), takenOver }
    // A quick answer may be complete before its prompt was looked up.
    const first: ReadonlyArray<TurnEvent> = !progress.delivered && messages.length > 0 ? [{ _tag: "Delivered" }] : []
    return [...first, ...(followed ? [] : reader.remainingText(messages)), ...requests.closeAll(), last]
  }

  const check = Effect.gen(function* () {
    const { state, messages, takenOver } = yield* states.settled
    if (state._tag === "Ended") return end(state.outcome, state.error, messages, takenOver)
    if (!states.isRefused({ state })) {
      if (!states.isStranded({ state })) return []
      progress.sentAgain = true
      yield* client.prompt(input)
      return []
    }
    const aborted = turn.abortRequested || progress.rejection?.name === "MessageAbortedError"
    return aborted ? end("aborted", undefined, messages) : end("failed", progress.rejection, messages)
  })

  /** A prompt that was stored and that OpenCode does not work on from one look to the next is never going to run. */
  let idleLooks = 0
  const lookedUp = Effect.gen(function* () {
    const found = yield* check
    idleLooks =
      progress.ended || !progress.delivered || progress.sending || (yield* states.read).state._tag !== "NotStarted"
        ? 0
        : idleLooks + 1
    return idleLooks < 2
      ? found
      : end("interrupted", { name: "NotStarted", message: "OpenCode has stored the prompt and does not run it" }, [])
  })

  /** The server has exited. Its record is read from the next server, which this starts. */
  const recover = Effect.gen(function* () {
    if (!progress.delivered && !(yield* Effect.orElseSucceed(isDelivered(client, input), () => false))) {
      const reason = new Unavailable({ operation, detail: "the server ended before the prompt was stored" })
      return yield* new HostError({ reason })
    }
    const { messages, takenOver } = yield* turnInRecord(client, input).pipe(
      Effect.timeout(recoveryLimit),
      Effect.orElseSucceed(() => notTakenOver)
    )
    const state = classifyTurn(messages, { sessionBusy: false, abortRequested: turn.abortRequested, takenOver })
    return state._tag === "Ended" && state.outcome !== "interrupted"
      ? end(state.outcome, state.error, messages, takenOver)
      : end("interrupted", { name: "ServerDied", message: "The OpenCode server ended during the turn" }, messages)
  })

  const cancel = Effect.fnUntraced(function* (name: string, message: string) {
    yield* Effect.ignore(host.abort(sessionId))
    const { messages } = yield* Effect.orElseSucceed(turnInRecord(client, input), () => notTakenOver)
    return end("aborted", { name, message }, messages)
  })

  /** A command that was stopped before OpenCode had stored its prompt begins nevertheless. */
  const stopsLate = (event: OpenCodeEvent) =>
    input.command !== undefined &&
    turn.abortRequested &&
    event.type === "session.status" &&
    event.properties.sessionID === sessionId &&
    event.properties.status.type === "busy"

  const deleted = cancel("SessionDeleted", "The session was deleted during the turn")

  const overBudget = (reason: string | undefined) =>
    reason === undefined || progress.ended
      ? Effect.succeed<ReadonlyArray<TurnEvent>>([])
      : cancel("BudgetExceeded", reason)

  /** A provider that will answer only after the deadline is not waited for. */
  const withinDeadline = Effect.fnUntraced(function* (found: ReadonlyArray<TurnEvent>) {
    const late = found.find((event) => event._tag === "RetryScheduled" && event.next > deadline.at())
    if (late?._tag !== "RetryScheduled") return found
    yield* Effect.ignore(host.abort(sessionId))
    const { messages } = yield* Effect.orElseSucceed(turnInRecord(client, input), () => notTakenOver)
    const message = `The provider is to be asked again at ${new Date(late.next).toISOString()}, after the deadline of this turn: ${late.message}`
    return [...found, ...end("failed", { name: "RetryAfterDeadline", message }, messages)]
  })

  const onEvent = Effect.fnUntraced(function* (signal: Extract<HostEvent, { _tag: "Event" }>) {
    const { event } = signal
    if (event.type === "session.error" && (event.properties.sessionID ?? sessionId) === sessionId) {
      progress.rejection = rejectionOf(event)
      return yield* check
    }
    if (stopsLate(event)) yield* Effect.ignore(client.abort(sessionId))
    if (event.type === "session.idle" && event.properties.sessionID === sessionId) return yield* check
    // Deleting a session does not stop what it runs.
    if (event.type === "session.deleted" && event.properties.sessionID === sessionId) return yield* deleted
    const wasTakenOver = reader.isTakenOver()
    const found = yield* withinDeadline(reader.read(event))
    if (!progress.ended && !wasTakenOver && reader.isTakenOver()) return [...found, ...(yield* check)]
    const stopped = progress.ended ? [] : yield* Effect.flatMap(budget.read(event), overBudget)
    return progress.ended || !tracksRequests() ? [...found, ...stopped] : [...found, ...(yield* requests.read(event))]
  })

  /** Something may be missing that only `caughtUp` brings: it is tried until it succeeds. */
  let behind = false

  /** The gap may be the start of another server: then the one that ran the turn is dead. */
  const caughtUp = Effect.fnUntraced(function* (look: typeof check) {
    behind = true
    // Whatever fails below, text after the gap must not follow text before it.
    reader.markGap()
    requests.markStale()
    if ((yield* host.running) !== server) return yield* recover
    const found = yield* look
    const missed = progress.ended ? found : yield* Effect.flatMap(reader.catchUp, withinDeadline)
    const stopped = progress.ended ? [] : yield* Effect.flatMap(budget.reread, overBudget)
    behind = false
    return [...missed, ...stopped]
  })

  const step = (signal: Signal): Effect.Effect<ReadonlyArray<TurnEvent>, HostError> =>
    Match.valueTags(signal, {
      Event: onEvent,
      Delivered: () => {
        progress.delivered = true
        return Effect.succeed<ReadonlyArray<TurnEvent>>([{ _tag: "Delivered" }])
      },
      Responded: ({ rejection }) => {
        progress.sending = false
        progress.rejection ??= rejection
        return check
      },
      Tick: () => Effect.catchReason(behind ? caughtUp(lookedUp) : lookedUp, "HostError", "NotFound", () => deleted),
      Gap: () => caughtUp(check),
      Exited: () => recover,
      Oldest: () => Effect.succeed([]),
      Deadline: () => cancel("DeadlineExceeded", "The turn exceeded its deadline")
    })

  /** The changes of requests that no event reported. */
  const refreshed = (signal: Signal, found: ReadonlyArray<TurnEvent>) =>
    progress.ended || !progress.delivered || signal._tag === "Event" || !tracksRequests()
      ? Effect.succeed(found)
      : Effect.map(requests.refresh, (missed) => [...found, ...missed])

  const withAgents = (last: Ended) =>
    Effect.map(usageWithAgents(client, last.messages), (usage): TurnEvent => ({ ...last, usage }))

  /** The next tick repeats a failed step. Only a step that ends the turn may fail, and only before delivery. */
  const stepOrRepeat = (signal: Signal): Effect.Effect<ReadonlyArray<TurnEvent>, HostError> =>
    step(signal).pipe(
      Effect.catch((error) => {
        if (signal._tag === "Exited" && !progress.delivered) return Effect.fail(error)
        behind ||= signal._tag === "Event"
        return Effect.as(Effect.logDebug(error.message), [])
      }),
      Effect.flatMap((found) => refreshed(signal, found)),
      Effect.flatMap(Effect.forEach((event) => (event._tag === "Ended" ? withAgents(event) : Effect.succeed(event)))),
      Effect.tap(() => Effect.sync(() => deadline.setWaiting(requests.isOpen())))
    )

  return {
    step: stepOrRepeat,
    plain: (signal) =>
      signal?._tag === "Event" && isPlain(signal.event, input) ? reader.read(signal.event) : undefined
  }
}

/** Whether only the reader reads an event, and neither the end of the turn nor its requests, budget or deadline depend on it. */
const isPlain = (event: OpenCodeEvent, { command, sessionId }: Prompt): boolean => {
  switch (event.type) {
    case "message.part.delta":
      return true
    case "message.part.updated":
      return event.properties.part.type !== "tool"
    case "message.updated":
      return event.properties.info.role === "user" && event.properties.sessionID === sessionId
    case "session.status":
      return event.properties.status.type !== "retry" && command === undefined
    default:
      return false
  }
}
