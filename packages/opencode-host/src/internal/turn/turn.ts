/**
 * Runs one prompt as a stream of turn events.
 *
 * ```
 *  listen → server primed → already there? ──yes──▶ follow
 *                               └──no──▶ prompt → GET until it has parts: Delivered
 *  events ─▶ deltas, tools, requests …    idle / error / gap / 15 s of silence ─▶ re-read ─▶ classifyTurn ─▶ Ended
 * ```
 *
 * Invariants
 * - Listening begins before the prompt is sent.
 * - A failure comes before `Delivered` only; after it there is exactly one `Ended`, which is the last element.
 * - A prompt that OpenCode has is never sent again.
 * - The end is what OpenCode's record says, never what an event says.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Match from "effect/Match"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { HostError } from "../../HostError.ts"
import { Busy, Unavailable } from "../../HostErrorReason.ts"
import type { HostEvent } from "../../HostEvent.ts"
import type { AssistantWithParts, PromptInput, TurnInput } from "../../OpenCodeClient.ts"
import { classifyTurn, type TurnState, usageOf } from "../../Turn.ts"
import type { Ended, TurnEvent, TurnFailure } from "../../TurnEvent.ts"
import { makeDeadline } from "./deadline.ts"
import { deliver, isDelivered } from "./delivery.ts"
import { clearZombie, requestTracker } from "./requests.ts"
import { rejectionOf, turnReader } from "./turnReader.ts"
import { isBusy, notTakenOver, turnInRecord } from "./record.ts"
import { register } from "./runningTurns.ts"
import type { TurnHost } from "./turnHost.ts"

type Signal =
  | HostEvent
  | { readonly _tag: "Delivered" }
  | { readonly _tag: "Tick" }
  | { readonly _tag: "Exited" }
  | { readonly _tag: "Deadline" }
  | { readonly _tag: "Oldest" }

/** A turn without events is looked up this often, so that a lost event cannot hang it. */
const lookUp = Duration.seconds(15)
/** On an error OpenCode is idle shortly before the last message is stored: "interrupted" must last this long. */
const interruptedFor = Duration.seconds(5)
/** A prompt that was just sent is not busy yet: that it was refused, and did not start, must last this long. */
const refusedFor = Duration.millis(1500)
/** OpenCode may end its work at the moment in which a steering prompt is stored, and then does not see it. */
const strandedFor = Duration.seconds(3)
const operation = "turn"
/** Servers that may exit while they receive one prompt. */
const maxAttempts = 4
/** A server that must be started again to read how the turn ended. */
const recoveryLimit = Duration.seconds(60)

const isInterrupted = ({ state }: { readonly state: TurnState }) =>
  state._tag === "Ended" && state.outcome === "interrupted"

type Prompt = PromptInput & Pick<TurnInput, "deadline" | "steer">

export const runTurn = (host: TurnHost, prompt: Prompt): Stream.Stream<TurnEvent, HostError> => attempt(host, prompt, 1)

/** A failure comes before delivery, so the prompt may be sent again, under the same ids, to the next server. */
const attempt = (host: TurnHost, prompt: Prompt, count: number): Stream.Stream<TurnEvent, HostError> =>
  Stream.unwrap(begin(host, prompt)).pipe(
    Stream.catchIf(
      ({ reason }) => reason._tag === "Unavailable" && reason.operation === operation && count < maxAttempts,
      ({ message }) =>
        Stream.concat(
          Stream.make<[TurnEvent]>({ _tag: "DeliveryRetried", message }),
          Stream.suspend(() => attempt(host, prompt, count + 1))
        )
    )
  )

const begin = Effect.fnUntraced(function* (host: TurnHost, input: Prompt) {
  const { client, turns } = host
  const { sessionId } = input
  const turn = yield* register(turns, sessionId, input.steer === true)
  yield* host.keepAlive
  // Text of other sessions is most of what there is; their other events may be a sub-agent's.
  const events = yield* host.listen(
    ({ properties, type }) => type !== "message.part.delta" || properties.sessionID === sessionId
  )
  const server = yield* host.running
  yield* server.primed

  /** OpenCode had the prompt before, so another process may have reported its text. */
  const followed = yield* isDelivered(client, input)
  let delivered = followed
  let rejection: TurnFailure | undefined
  let ended = false
  if (!delivered && !turn.steers && (yield* isBusy(client, sessionId))) {
    return yield* new HostError({ reason: new Busy({ sessionId }) })
  }
  // The stream was interrupted: abort. After a failure, which comes before delivery, there is nothing to abort.
  yield* Effect.addFinalizer((exit) =>
    ended || (Exit.isFailure(exit) && !Exit.hasInterrupts(exit)) ? Effect.void : Effect.ignore(host.abort(sessionId))
  )
  const reader = turnReader(client, input)
  const requests = requestTracker(client, sessionId)
  /** The requests of a session are those of the prompt that the model answers. */
  const tracksRequests = () => !reader.isTakenOver() && (reader.hasBegun() || Deferred.isDoneUnsafe(turn.isOldest))
  const abandoned = Effect.suspend(() =>
    Effect.forEach(requests.abandoned(), (request) => host.background(clearZombie(client, request)))
  )
  yield* Effect.addFinalizer(() => abandoned)
  const deadline = yield* makeDeadline(input.deadline)

  const end = (
    outcome: Ended["outcome"],
    error: TurnFailure | undefined,
    messages: ReadonlyArray<AssistantWithParts>,
    takenOver = false
  ): ReadonlyArray<TurnEvent> => {
    ended = true
    const last: TurnEvent = { _tag: "Ended", outcome, error, messages, usage: usageOf(messages), takenOver }
    // A quick answer may be complete before its prompt was looked up.
    const first: ReadonlyArray<TurnEvent> = !delivered && messages.length > 0 ? [{ _tag: "Delivered" }] : []
    return [...first, ...(followed ? [] : reader.remainingText(messages)), ...requests.closeAll(), last]
  }

  /** The status first: see `classifyTurn`. */
  const read = Effect.gen(function* () {
    const isWorking = yield* isBusy(client, sessionId)
    const { messages, takenOver } =
      isWorking && !reader.isTakenOver() ? notTakenOver : yield* turnInRecord(client, input)
    const sessionBusy = isWorking && !takenOver
    const state = classifyTurn(messages, { sessionBusy, abortRequested: turn.abortRequested, takenOver })
    return { state, messages, takenOver }
  })

  const isRefused = ({ state }: { readonly state: TurnState }) =>
    state._tag === "NotStarted" && (rejection !== undefined || turn.abortRequested)

  /** A steering prompt that is stored and that the idle session does not run. It is sent once more, under its ids. */
  let sentAgain = false
  const isStranded = ({ state }: { readonly state: TurnState }) =>
    state._tag === "NotStarted" && turn.steers && delivered && !sentAgain

  /** Interrupted, refused, stranded: of a living server these are believed only when they last. */
  const settled = Effect.fnUntraced(function* () {
    const first = yield* read
    const doubtful = [isInterrupted, isRefused, isStranded].find((matches) => matches(first))
    if (doubtful === undefined) return first
    const duration = doubtful === isInterrupted ? interruptedFor : doubtful === isRefused ? refusedFor : strandedFor
    const schedule = Schedule.spaced("100 millis").pipe(Schedule.upTo({ duration }))
    return yield* read.pipe(Effect.repeat({ until: (now) => !doubtful(now), schedule }))
  })

  const check = Effect.gen(function* () {
    const { state, messages, takenOver } = yield* settled()
    if (state._tag === "Ended") return end(state.outcome, state.error, messages, takenOver)
    if (!isRefused({ state })) {
      if (!isStranded({ state })) return []
      sentAgain = true
      yield* client.prompt(input)
      return []
    }
    const aborted = turn.abortRequested || rejection?.name === "MessageAbortedError"
    return aborted ? end("aborted", undefined, messages) : end("failed", rejection, messages)
  })

  /** A prompt that was stored and that OpenCode does not work on from one look to the next is never going to run. */
  let idleLooks = 0
  const lookedUp = Effect.gen(function* () {
    const found = yield* check
    idleLooks = ended || !delivered || (yield* read).state._tag !== "NotStarted" ? 0 : idleLooks + 1
    return idleLooks < 2
      ? found
      : end("interrupted", { name: "NotStarted", message: "OpenCode has stored the prompt and does not run it" }, [])
  })

  /** The server has exited. Its record is read from the next server, which this starts. */
  const recover = Effect.gen(function* () {
    if (!delivered && !(yield* Effect.orElseSucceed(isDelivered(client, input), () => false))) {
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

  const deleted = cancel("SessionDeleted", "The session was deleted during the turn")

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
      rejection = rejectionOf(event)
      return yield* check
    }
    if (event.type === "session.idle" && event.properties.sessionID === sessionId) return yield* check
    // Deleting a session does not stop what it runs.
    if (event.type === "session.deleted" && event.properties.sessionID === sessionId) return yield* deleted
    const wasTakenOver = reader.isTakenOver()
    const found = yield* withinDeadline(reader.read(event))
    if (!ended && !wasTakenOver && reader.isTakenOver()) return [...found, ...(yield* check)]
    return ended || !tracksRequests() ? found : [...found, ...(yield* requests.read(event))]
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
    const missed = ended ? found : yield* Effect.flatMap(reader.catchUp, withinDeadline)
    behind = false
    return missed
  })

  const step = (signal: Signal): Effect.Effect<ReadonlyArray<TurnEvent>, HostError> =>
    Match.valueTags(signal, {
      Event: onEvent,
      Delivered: () => {
        delivered = true
        return Effect.succeed<ReadonlyArray<TurnEvent>>([{ _tag: "Delivered" }])
      },
      Tick: () => Effect.catchReason(behind ? caughtUp(lookedUp) : lookedUp, "HostError", "NotFound", () => deleted),
      Gap: () => caughtUp(check),
      Exited: () => recover,
      Oldest: () => Effect.succeed([]),
      Deadline: () => cancel("DeadlineExceeded", "The turn exceeded its deadline")
    })

  /** The changes of requests that no event reported. */
  const refreshed = (signal: Signal, found: ReadonlyArray<TurnEvent>) =>
    ended || !delivered || signal._tag === "Event" || !tracksRequests()
      ? Effect.succeed(found)
      : Effect.map(requests.refresh, (missed) => [...found, ...missed])

  /** The next tick repeats a failed step. Only a step that ends the turn may fail, and only before delivery. */
  const guarded = (signal: Signal) =>
    step(signal).pipe(
      Effect.catch((error) => {
        if (signal._tag === "Exited" && !delivered) return Effect.fail(error)
        behind ||= signal._tag === "Event"
        return Effect.as(Effect.logDebug(error.message), [])
      }),
      Effect.flatMap((found) => refreshed(signal, found)),
      Effect.tap(() => Effect.sync(() => deadline.setWaiting(requests.isOpen())))
    )

  const delivery: Stream.Stream<Signal, HostError> = delivered
    ? Stream.make({ _tag: "Delivered" }, { _tag: "Gap", cause: "restart" })
    : Stream.fromEffect(Effect.as(deliver(client, input), { _tag: "Delivered" }))
  const signals: ReadonlyArray<Stream.Stream<Signal, HostError>> = [
    Stream.fromQueue(events),
    delivery,
    Stream.fromEffect(Effect.as(server.exited, { _tag: "Exited" })),
    Stream.fromEffect(Effect.as(Deferred.await(turn.isOldest), { _tag: "Oldest" })),
    Stream.fromSchedule(Schedule.spaced(lookUp)).pipe(Stream.as<Signal>({ _tag: "Tick" })),
    Stream.fromEffect(Effect.as(deadline.passed, { _tag: "Deadline" }))
  ]
  return Stream.mergeAll(signals, { concurrency: "unbounded", bufferSize: 1 }).pipe(
    Stream.mapEffect(guarded),
    Stream.flattenIterable,
    Stream.takeUntil((event) => event._tag === "Ended")
  )
})
