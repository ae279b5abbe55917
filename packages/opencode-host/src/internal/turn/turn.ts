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
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { HostError } from "../../HostError.ts"
import { Busy } from "../../HostErrorReason.ts"
import type { TurnEvent } from "../../TurnEvent.ts"
import { budgetTracker } from "./budget.ts"
import { checkCommand, sendCommand, stopLate } from "./command.ts"
import { makeDeadline } from "./deadline.ts"
import { deliver, isDelivered } from "./delivery.ts"
import { isBusy } from "./record.ts"
import { clearZombie, isAsking, requestTracker, sessionTree } from "./requests.ts"
import { register } from "./runningTurns.ts"
import type { Prompt, TurnHost } from "./turnHost.ts"
import { turnReader } from "./turnReader.ts"
import type { TurnProgress } from "./turnState.ts"
import { operation, type Signal, turnSteps } from "./turnSteps.ts"

/** A turn without events is looked up this often, so that a lost event cannot hang it. */
const lookUp = Duration.seconds(15)
/** Servers that may exit while they receive one prompt. */
const maxAttempts = 4

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

  const followed = yield* isDelivered(client, input)
  const progress: TurnProgress = {
    delivered: followed,
    sending: false,
    sentAgain: false,
    ended: false,
    rejection: undefined
  }
  if (!followed && !turn.steers && (yield* isBusy(client, sessionId))) {
    return yield* new HostError({ reason: new Busy({ sessionId }) })
  }
  const { command } = input
  if (!followed && command !== undefined) yield* checkCommand(client, host.readable, command, input.text)
  yield* Effect.addFinalizer(() => (progress.sending ? host.background(stopLate(client, input)) : Effect.void))
  const reader = turnReader(client, input)
  const tree = sessionTree(client, sessionId)
  const requests = requestTracker(client, sessionId, tree)
  // A request that OpenCode has just opened, or that was open before this turn was followed, may not be known here yet.
  const isLeft = Effect.suspend(() => {
    if (input.leaveAsking !== true || !host.isAttached) return Effect.succeed(false)
    return requests.isOpen() ? Effect.succeed(true) : Effect.orElseSucceed(isAsking(client, sessionId), () => false)
  })
  // The stream was interrupted: abort. After a failure, which comes before delivery, there is nothing to abort.
  yield* Effect.addFinalizer((exit) =>
    progress.ended || (Exit.isFailure(exit) && !Exit.hasInterrupts(exit))
      ? Effect.void
      : Effect.flatMap(isLeft, (left) => (left ? Effect.void : Effect.ignore(host.abort(sessionId))))
  )
  const budget = budgetTracker(client, input, input.budget, tree, yield* Clock.currentTimeMillis)
  const abandoned = Effect.suspend(() =>
    Effect.forEach(requests.abandoned(), (request) => host.background(clearZombie(client, request)))
  )
  yield* Effect.addFinalizer(() => abandoned)
  const deadline = yield* makeDeadline(input.deadline)

  const delivered: Signal = { _tag: "Delivered" }
  /** A command may run a shell before OpenCode stores its prompt, so it counts as delivered before it is sent. */
  const commanded = (name: string): Stream.Stream<Signal> =>
    Stream.concat(
      Stream.make(delivered),
      Stream.fromEffect(
        Effect.suspend(() => {
          progress.sending = true
          return Effect.map(sendCommand(client, input, name), (rejection) => ({
            _tag: "Responded" as const,
            rejection
          }))
        })
      )
    )
  const delivery: Stream.Stream<Signal, HostError> = followed
    ? Stream.make(delivered, { _tag: "Gap", cause: "restart" })
    : command === undefined
      ? Stream.fromEffect(Effect.as(deliver(client, input), delivered))
      : commanded(command)
  const signals: ReadonlyArray<Stream.Stream<Signal, HostError>> = [
    Stream.fromQueue(events),
    delivery,
    Stream.fromEffect(Effect.as(server.exited, { _tag: "Exited" })),
    Stream.fromEffect(Effect.as(Deferred.await(turn.isOldest), { _tag: "Oldest" })),
    Stream.fromSchedule(Schedule.spaced(lookUp)).pipe(Stream.as<Signal>({ _tag: "Tick" })),
    Stream.fromEffect(Effect.as(deadline.passed, { _tag: "Deadline" }))
  ]
  return Stream.mergeAll(signals, { concurrency: "unbounded", bufferSize: 1 }).pipe(
    Stream.mapEffect(turnSteps({ host, input, turn, server, progress, followed, reader, requests, budget, deadline })),
    Stream.flattenIterable,
    Stream.takeUntil((event) => event._tag === "Ended")
  )
})
