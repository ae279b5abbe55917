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
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { HostError } from "../../HostError.ts"
import { Busy } from "../../HostErrorReason.ts"
import type { TurnEvent } from "../../TurnEvent.ts"
import { budgetTracker } from "./budget.ts"
import { checkCommand, sendCommand, stopLate } from "./command.ts"
import { makeDeadline } from "./deadline.ts"
import { deliver, isDelivered } from "./delivery.ts"
import { concerns } from "./concerns.ts"
import { type Inbox, makeInbox } from "./inbox.ts"
import { isBusy } from "./record.ts"
import { clearZombie, isAsking, requestTracker, sessionTree } from "./requests.ts"
import { register } from "./runningTurns.ts"
import type { Prompt, TurnHost } from "./turnHost.ts"
import { turnReader } from "./turnReader.ts"
import type { TurnProgress } from "./turnState.ts"
import { operation, type Signal, type TurnSteps, turnSteps } from "./turnSteps.ts"

/** A turn without events is looked up this often, so that a lost event cannot hang it. */
const lookUp = Duration.seconds(15)
type Emitted = Arr.NonEmptyReadonlyArray<TurnEvent>

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
  const inbox = makeInbox()
  yield* host.subscribe((element) => {
    if (element._tag === "Gap" || concerns(input, element.event)) inbox.event(element)
  })
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

  if (followed) {
    inbox.remind(delivered)
    inbox.event({ _tag: "Gap", cause: "restart" })
  } else if (command === undefined) yield* inbox.from(Effect.as(deliver(client, input), delivered))
  else {
    // A command may run a shell before OpenCode stores its prompt, so it counts as delivered before it is sent.
    inbox.remind(delivered)
    const send = Effect.suspend(() => {
      progress.sending = true
      return Effect.map(sendCommand(client, input, command), (rejection): Signal => ({ _tag: "Responded", rejection }))
    })
    yield* inbox.from(send)
  }
  yield* inbox.from(Effect.as(server.exited, { _tag: "Exited" }))
  yield* inbox.from(Effect.as(Deferred.await(turn.isOldest), { _tag: "Oldest" }))
  yield* inbox.from(Effect.as(deadline.passed, { _tag: "Deadline" }))
  yield* Effect.forkScoped(
    Effect.forever(Effect.andThen(Effect.sleep(lookUp), () => Effect.sync(() => inbox.remind(tick))))
  )
  const steps = turnSteps({ host, input, turn, server, progress, followed, reader, requests, budget, deadline })
  return eventsOf(inbox.take, steps)
})

const delivered: Signal = { _tag: "Delivered" }
const tick: Signal = { _tag: "Tick" }

/** The events of one signal after the other. Those of plain signals that wait are emitted together. */
const eventsOf = (take: Inbox["take"], { plain, step }: TurnSteps): Stream.Stream<TurnEvent, HostError> => {
  let waiting: ReadonlyArray<Signal> = []
  let at = 0
  let isEnded = false
  const next: Pull.Pull<Emitted, HostError> = Effect.suspend(() => {
    if (isEnded) return Cause.done()
    const found: Array<TurnEvent> = []
    for (let events = plain(waiting[at]); events !== undefined; events = plain(waiting[at])) {
      found.push(...events)
      at++
    }
    if (Arr.isArrayNonEmpty(found)) return Effect.succeed(found)
    const signal = waiting[at++]
    if (signal === undefined) {
      return Effect.flatMap(take, (taken) => {
        waiting = taken
        at = 0
        return next
      })
    }
    return Effect.flatMap(step(signal), (events) => {
      const end = events.findIndex(({ _tag }) => _tag === "Ended")
      isEnded = end !== -1
      const emitted = isEnded ? events.slice(0, end + 1) : events
      return Arr.isReadonlyArrayNonEmpty(emitted) ? Effect.succeed(emitted) : next
    })
  })
  return Stream.fromPull(Effect.succeed(next))
}
