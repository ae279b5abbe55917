/**
 * The broker between what OpenCode asks and where a person answers.
 *
 * ```
 *   asked ─▶ policy ── allow, deny ─────────────────────────▶ OpenCode
 *              └ ask ─▶ store ── answer ────────────────────▶ OpenCode, closed as answered
 *                         ├── its time is over ─────────────▶ OpenCode: rejected with the reason, closed as expired
 *                         └── answered there, turn over, server gone ──▶ closed as cancelled
 * ```
 *
 * Invariants
 * - Each request is shown once and answered once, whether it came by an event or by a list.
 * - Requests of a turn's sub-agents are the turn's. Requests of sessions that no turn runs in are left alone.
 * - What is no longer waited for, because its tool does not run any more, is never rejected: OpenCode would reject what
 *   else the session waits for. A permission of that kind is taken off its list with `once`, which runs nothing.
 * - Nothing that is still waited for is answered because the turn is left: that is for who settles the turn.
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import { Deferred, Duration, Effect, Fiber, Option, Ref, Schedule, Scope, Stream } from "effect"
import { isLoss } from "../ConvexSyncError.ts"
import * as Policy from "../Policy.ts"
import type {
  Answer,
  AnsweredRequest,
  Asked,
  FollowedTurn,
  OpenCodePort,
  RequestEvent,
  RequestsOptions,
  StorePort
} from "../Requests.ts"
import { lasting } from "./lasting.ts"
import { retryTransient } from "../retryTransient.ts"
import { shorten } from "./shorten.ts"

const defaultTimeLimit = Duration.minutes(10)
/** Of what the backend takes. */
const maxPayload = 50_000
const maxSubject = 500
/** OpenCode is next door: what fails for longer than this is noticed as a gap. */
const briefly = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 4 }))
/** Leaving a turn waits no longer than this for the store. */
const leaveTimeout = "2 seconds"
/** How long what a turn left behind is watched. */
const afterAbort = Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: "10 seconds" }))

/** What became of a request that was shown. */
type Told =
  | { readonly _tag: "Answered"; readonly answer: Answer }
  /** There is nothing to answer any more. */
  | { readonly _tag: "Gone" }
  | { readonly _tag: "Unanswered"; readonly reason: string }
const gone: Told = { _tag: "Gone" }
const unanswered = (reason: string): Told => ({ _tag: "Unanswered", reason })

interface Turn extends FollowedTurn {
  readonly scope: Scope.Scope
  /** What was asked and may be left behind. */
  readonly asked: Map<string, Asked>
}

const subjectOf = ({ kind, request }: Asked): string =>
  (kind === "permission"
    ? `${request.permission}: ${request.patterns.join(", ")}`
    : `question: ${request.questions.map(({ question }) => question).join(" ")}`
  )
    .slice(0, maxSubject)
    .toWellFormed()

const goOn = "Go on without it, or say what you would need."

/** What the agent reads instead of a person's answer, so that it goes on. */
const instead = ({ kind, request }: Asked, reason: string): Answer =>
  kind === "permission"
    ? { type: "reject", message: reason }
    : { type: "answers", answers: request.questions.map(() => [reason]) }

export const broker = Effect.fnUntraced(function* (
  opencode: OpenCodePort,
  store: StorePort,
  options: RequestsOptions = {}
) {
  const timeLimit = Duration.fromInputUnsafe(options.timeLimit ?? defaultTimeLimit)
  const nobody = `Nobody answered within ${Duration.format(timeLimit)}. ${goOn}`
  const unshown = `It could not be shown to anybody. ${goOn}`
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

  /** False: nobody waited for it any more. */
  const pass = Effect.fn("Requests.pass")(
    function* (asked: Asked, answer: Answer) {
      if (yield* opencode.isWaiting(asked)) return yield* opencode.answer(asked, answer)
      if (asked.kind === "permission") yield* opencode.answer(asked, { type: "once" })
      return false
    },
    (effect) => Effect.retry(effect, briefly),
    Effect.catch((error) => Effect.as(Effect.logWarning("OpenCode could not be answered", error.message), false))
  )

  const serve = Effect.fnUntraced(function* (turn: Turn, asked: Asked, told: Deferred.Deferred<Told>) {
    const { kind, request } = asked
    const action = kind === "question" ? "ask" : Policy.decide(turn.policy ?? options.policy ?? Policy.careful, request)
    if (kind === "permission" && action !== "ask") {
      const denied = `This worker's policy denies ${request.permission}. ${goOn}`
      return yield* pass(asked, action === "allow" ? { type: "once" } : instead(asked, denied))
    }
    const shown = yield* Ref.make(Option.none<Id<"requests">>())
    const close = (as: "answered" | "expired" | "cancelled") =>
      Effect.flatMap(Ref.get(shown), Effect.fromOption).pipe(
        Effect.flatMap((requestId) => retryTransient(store.close(requestId, as))),
        Effect.ignore
      )
    const open = store.open({
      turnId: turn.turnId,
      opencodeId: request.id,
      kind,
      subject: subjectOf(asked),
      payload: shorten(request, maxPayload),
      timeLimit: Duration.toMillis(timeLimit)
    })
    const outcome = yield* retryTransient(open).pipe(
      Effect.flatMap((requestId) => Ref.set(shown, Option.some(requestId))),
      Effect.andThen(Deferred.await(told)),
      Effect.raceFirst(Deferred.await(told)),
      Effect.catch((error) =>
        isLoss(error) ? Effect.never : Effect.as(Effect.logWarning(error.message), unanswered(unshown))
      ),
      Effect.timeoutOrElse({ duration: timeLimit, orElse: () => Effect.succeed(unanswered(nobody)) }),
      Effect.onInterrupt(() => Effect.timeoutOption(close("cancelled"), leaveTimeout))
    )
    const deliver = Effect.gen(function* () {
      if (outcome._tag === "Gone") return yield* close("cancelled")
      if (outcome._tag === "Answered") {
        return yield* close((yield* pass(asked, outcome.answer)) ? "answered" : "cancelled")
      }
      yield* pass(asked, instead(asked, outcome.reason))
      yield* close("expired")
    })
    // The end of the turn, which an answer may bring about, must not cut it off.
    yield* Effect.flatMap(Effect.forkIn(deliver, scope), Fiber.join)
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
      Effect.sync(() => turn.asked.delete(id))
    )
    yield* Effect.forkIn(Effect.ensuring(done, forget), turn.scope)
  })

  const tell = (id: string, what: Told) => {
    const told = served.get(id)
    return told === undefined ? Effect.succeed(false) : Effect.as(Deferred.succeed(told, what), true)
  }

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
    Effect.catch((error) => Effect.logWarning("No answers come any more", error.message)),
    Effect.forkScoped
  )

  return {
    follow: Effect.fn("Requests.follow")(function* (followed: FollowedTurn) {
      const turn: Turn = { ...followed, scope: yield* Effect.scope, asked: new Map() }
      yield* Effect.acquireRelease(
        Effect.sync(() => turns.set(turn.opencodeSessionId, turn)),
        () => leave(turn)
      )
      yield* relist
    })
  }
})
