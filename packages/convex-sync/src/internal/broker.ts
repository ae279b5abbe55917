/**
 * The broker between an agent's requests and the person who answers them.
 *
 * ```
 *   asked ─▶ described ── in the scope of an `always` answer ──▶ OpenCode: once
 *              ├── larger than the deployment stores ──────────▶ OpenCode: rejected with the reason
 *              └─▶ store ── answer ────────────────────────────▶ OpenCode, closed as answered
 *                    ├── its time is over ─────────────────────▶ OpenCode: rejected with the reason, closed as expired
 *                    └── answered there, turn over, server gone ──▶ closed as cancelled
 * ```
 *
 * Invariants
 * - Each request is shown once and answered once, whether it came by an event or by a list.
 * - A request is shown whole or not at all.
 * - `always` never reaches OpenCode. Here it covers requests of the same conversation and the same scope, and no others.
 * - Requests of a turn's sub-agents belong to the turn. Requests of sessions that no turn runs in are left alone.
 * - A request whose tool no longer runs is never rejected: OpenCode would reject the other requests of the session, too.
 *   A permission of that kind is taken off OpenCode's list with `once`, which runs nothing.
 * - Leaving a turn answers no request that a tool still waits for: the settlement of the turn does that.
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import { MAX_REQUEST } from "@opencode-worker/convex-backend/limits"
import { Deferred, Duration, Effect, Fiber, Option, Ref, Schedule, Scope, Stream } from "effect"
import { isLoss } from "../ConvexSyncError.ts"
import type {
  AnsweredRequest,
  Answer,
  Asked,
  FollowedTurn,
  OpenCodePort,
  Reply,
  RequestCard,
  RequestEvent,
  RequestsOptions,
  StorePort
} from "../Requests.ts"
import { makeApprovals } from "./approvals.ts"
import { lasting } from "./lasting.ts"
import { retryTransient } from "../retryTransient.ts"

const defaultTimeLimit = Duration.minutes(10)
/** OpenCode runs on this machine: a failure that lasts longer than these retries is noticed as a gap. */
const briefly = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 4 }))
/** Leaving a turn waits no longer than this for the store. */
const leaveTimeout = "2 seconds"
/** How long requests that a turn left behind are watched. */
const afterAbort = Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: "10 seconds" }))

/** The outcome of a request that was shown. */
type Told =
  | { readonly _tag: "Answered"; readonly answer: Answer }
  /** Another request of the same scope was answered with `always` in the meantime. */
  | { readonly _tag: "Covered"; readonly by: Id<"requests"> }
  /** There is nothing left to answer. */
  | { readonly _tag: "Gone" }
  | { readonly _tag: "Unanswered"; readonly reason: string }
const gone: Told = { _tag: "Gone" }
const unanswered = (reason: string): Told => ({ _tag: "Unanswered", reason })

interface Turn extends FollowedTurn {
  readonly scope: Scope.Scope
  /** What was asked and may be left behind. */
  readonly asked: Map<string, Asked>
  /** What is shown of it, by OpenCode's id. */
  readonly shown: Map<string, RequestCard>
}

const goOn = "Go on without it, or say what you would need."

/** The reply that the agent reads instead of a person's answer, so that it goes on. */
const instead = ({ kind, request }: Asked, reason: string): Reply =>
  kind === "permission"
    ? { type: "reject", message: reason }
    : { type: "answers", answers: request.questions.map(() => [reason]) }

export const broker = Effect.fnUntraced(function* (
  opencode: OpenCodePort,
  store: StorePort,
  options: RequestsOptions = {}
) {
  const timeLimit = Duration.fromInputUnsafe(options.timeLimit ?? defaultTimeLimit)
  const late = `No person answered within ${Duration.format(timeLimit)}. ${goOn}`
  const unshown = `This request could not be shown to a person. ${goOn}`
  const approvals = makeApprovals()
  const scope = yield* Effect.scope
  /** By the OpenCode session that they run in. */
  const turns = new Map<string, Turn>()
  /** What is being served, by OpenCode's id. */
  const served = new Map<string, Deferred.Deferred<Told>>()

  /** The turn that a session, or one that it is a sub-agent of, runs. */
  const turnOf = Effect.fnUntraced(function* (sessionId: string) {
    if (turns.size === 0) return undefined
    let id: string | undefined = sessionId
    while (id !== undefined && !turns.has(id)) id = yield* opencode.parentOf(id)
    return id === undefined ? undefined : turns.get(id)
  })

  /** False: the agent no longer waited for it. */
  const pass = Effect.fn("Requests.pass")(
    function* (asked: Asked, answer: Reply) {
      if (yield* opencode.isWaiting(asked)) return yield* opencode.answer(asked, answer)
      if (asked.kind === "permission") yield* opencode.answer(asked, { type: "once" })
      return false
    },
    (effect) => Effect.retry(effect, briefly),
    Effect.catch((error) => Effect.as(Effect.logWarning("OpenCode could not be answered", error.message), false))
  )

  /** Only to show operators where an approval was applied: the request itself does not wait for it. */
  const report = (requestId: Id<"requests">, { turnId }: Turn, { subject }: RequestCard) =>
    Effect.forkIn(Effect.ignore(retryTransient(store.applied({ requestId, turnId, subject }))), scope)

  const tell = (id: string, what: Told) => {
    const told = served.get(id)
    return told === undefined ? Effect.succeed(false) : Effect.as(Deferred.succeed(told, what), true)
  }

  /** Remembers an `always` answer, and applies it to the requests of its scope that are shown. */
  const approve = (turn: Turn, { always }: RequestCard, by: Id<"requests">) => {
    approvals.add(turn.opencodeSessionId, always, by)
    const covered = [...turn.shown].filter(([, other]) => other.always !== null && other.always.scope === always?.scope)
    return Effect.forEach(covered, ([id]) => tell(id, { _tag: "Covered", by }), { discard: true })
  }

  /** Stores a request, and waits for its outcome. */
  const show = Effect.fnUntraced(function* (
    turn: Turn,
    asked: Asked,
    card: RequestCard,
    told: Deferred.Deferred<Told>
  ) {
    const shown = yield* Ref.make(Option.none<Id<"requests">>())
    const close = (as: "answered" | "expired" | "cancelled") =>
      Effect.flatMap(Ref.get(shown), Effect.fromOption).pipe(
        Effect.flatMap((requestId) => retryTransient(store.close(requestId, as))),
        Effect.ignore
      )
    const open = store.open({
      ...card,
      always: card.always === null ? null : { label: card.always.label },
      turnId: turn.turnId,
      opencodeId: asked.request.id,
      timeLimit: Duration.toMillis(timeLimit)
    })
    const outcome = yield* retryTransient(open).pipe(
      Effect.flatMap((requestId) => Ref.set(shown, Option.some(requestId))),
      Effect.andThen(Deferred.await(told)),
      Effect.raceFirst(Deferred.await(told)),
      Effect.catch((error) =>
        isLoss(error) ? Effect.never : Effect.as(Effect.logWarning(error.message), unanswered(unshown))
      ),
      Effect.timeoutOrElse({ duration: timeLimit, orElse: () => Effect.succeed(unanswered(late)) }),
      Effect.onInterrupt(() => Effect.timeoutOption(close("cancelled"), leaveTimeout))
    )
    const deliver = Effect.gen(function* () {
      if (outcome._tag === "Gone") return yield* close("cancelled")
      if (outcome._tag === "Unanswered") {
        yield* pass(asked, instead(asked, outcome.reason))
        return yield* close("expired")
      }
      if (outcome._tag === "Covered") {
        yield* report(outcome.by, turn, card)
        yield* pass(asked, { type: "once" })
        return yield* close("cancelled")
      }
      const { answer } = outcome
      const isDelivered = yield* pass(asked, answer.type === "always" ? { type: "once" } : answer)
      if (answer.type === "always" && isDelivered) {
        yield* Effect.ignore(Effect.flatMap(Effect.fromOption(yield* Ref.get(shown)), (by) => approve(turn, card, by)))
      }
      yield* close(isDelivered ? "answered" : "cancelled")
    })
    // The end of the turn, which an answer may bring about, must not cut it off.
    yield* Effect.flatMap(Effect.forkIn(deliver, scope), Fiber.join)
  })

  const serve = Effect.fnUntraced(function* (turn: Turn, asked: Asked, told: Deferred.Deferred<Told>) {
    const described = yield* Effect.option(Effect.retry(opencode.describe(asked), briefly))
    if (Option.isNone(described)) return yield* pass(asked, instead(asked, unshown))
    const card = described.value
    const approvedBy = approvals.find(turn.opencodeSessionId, card.always)
    if (approvedBy !== undefined) {
      yield* report(approvedBy, turn, card)
      return yield* pass(asked, { type: "once" })
    }
    const { length } = JSON.stringify(card.content)
    if (length > MAX_REQUEST) {
      const reason = `This request has ${length} characters; at most ${MAX_REQUEST} can be shown to a person. Do it in smaller steps.`
      return yield* pass(asked, instead(asked, reason))
    }
    turn.shown.set(asked.request.id, card)
    yield* show(turn, asked, card, told)
  })

  const take = Effect.fnUntraced(function* (asked: Asked) {
    const { id, sessionID } = asked.request
    const turn = yield* turnOf(sessionID)
    if (turn === undefined || served.has(id)) return
    const told = yield* Deferred.make<Told>()
    served.set(id, told)
    turn.asked.set(id, asked)
    const forget = Effect.sync(() => served.delete(id))
    // What is cut off, because the turn is left, stays to be cleared.
    const done = Effect.andThen(
      serve(turn, asked, told),
      Effect.sync(() => {
        turn.asked.delete(id)
        turn.shown.delete(id)
      })
    )
    yield* Effect.forkIn(Effect.ensuring(done, forget), turn.scope)
  })

  /** Takes off OpenCode's list what nobody waits for. */
  const clear = (asked: Asked) =>
    Effect.gen(function* () {
      if (asked.kind === "question" || (yield* turnOf(asked.request.sessionID)) === undefined) return
      yield* opencode.answer(asked, { type: "once" })
    })

  /** Serves what is listed and not served yet, and gives up what is served and not listed any more. */
  const relist = Effect.gen(function* () {
    const before = [...served.keys()]
    const listed = yield* opencode.pending
    const ids = new Set(listed.map(({ request }) => request.id))
    for (const id of before) if (!ids.has(id)) yield* tell(id, gone)
    for (const asked of listed) {
      if (!served.has(asked.request.id)) yield* (yield* opencode.isWaiting(asked)) ? take(asked) : clear(asked)
    }
  }).pipe(
    Effect.retry(briefly),
    Effect.catch((error) => Effect.logWarning("The requests of OpenCode could not be listed", error.message))
  )

  /** An abort ends a tool shortly after its session: until then it seems to wait. */
  const abandoned = (asked: Asked) =>
    Effect.repeat(opencode.isWaiting(asked), { while: (waits) => waits, schedule: afterAbort }).pipe(
      Effect.flatMap((waits) => (waits ? Effect.void : opencode.answer(asked, { type: "once" }))),
      Effect.ignore
    )

  const watchAbandoned = (asked: Asked) => Effect.forkIn(abandoned(asked), scope, { startImmediately: true })

  /**
   * The turn is over or given up: of what it left behind, that is cleared which nobody waits for. From memory, because
   * OpenCode cannot list what it cannot encode, and it cannot encode what a web access without a time limit asks.
   */
  const leave = (turn: Turn) =>
    Effect.suspend(() => {
      turns.delete(turn.opencodeSessionId)
      const permissions = [...turn.asked.values()].filter(({ kind }) => kind === "permission")
      return Effect.forEach(permissions, watchAbandoned, { discard: true })
    })

  const onEvent = (event: RequestEvent) => {
    if (event._tag === "Gap") return turns.size === 0 ? Effect.void : relist
    if (event._tag === "Replied") return tell(event.id, gone)
    // Should it fail, then the server is away, and a gap follows.
    return Effect.ignore(take(event.asked))
  }
  yield* Effect.forkScoped(Stream.runForEach(opencode.events, onEvent))

  const onAnswer = Effect.fnUntraced(function* ({ answer, opencodeId, requestId }: AnsweredRequest) {
    if (yield* tell(opencodeId, { _tag: "Answered", answer })) return
    yield* retryTransient(store.close(requestId, "cancelled")).pipe(
      Effect.catch((error) => Effect.logWarning("A request could not be closed", error.message))
    )
  })
  yield* lasting(store.answers).pipe(
    Stream.runForEach((answered) => Effect.forEach(answered, onAnswer, { discard: true })),
    Effect.catch((error) => Effect.logWarning("The answers subscription ended", error.message)),
    Effect.forkScoped
  )

  return {
    follow: Effect.fn("Requests.follow")(function* (followed: FollowedTurn) {
      const turn: Turn = { ...followed, scope: yield* Effect.scope, asked: new Map(), shown: new Map() }
      yield* Effect.acquireRelease(
        Effect.sync(() => turns.set(turn.opencodeSessionId, turn)),
        () => leave(turn)
      )
      yield* relist
    })
  }
})
