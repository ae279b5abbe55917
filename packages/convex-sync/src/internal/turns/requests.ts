/**
 * Brings the requests of running turns to an operator, and the answers back.
 *
 * ```
 *   opened ─▶ described ── larger than the deployment stores ───▶ agent: unanswered, with the reason
 *                └─▶ store ── in the scope of an approval ───────▶ agent: once
 *                      ├── answer ──────────────────────────────▶ agent, closed as answered
 *                      ├── time limit ──────────────────────────▶ agent: unanswered, closed as expired
 *                      └── closed by the agent ─────────────────▶ closed as cancelled
 * ```
 *
 * Invariants
 * - A request is stored whole or not at all, once, and replied to once.
 * - The agent never receives an approval for later requests: the deployment keeps these, and the agent receives `once`.
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import { MAX_REQUEST } from "@opencode-worker/convex-backend/limits"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AgentRequest, RequestCard, RequestReply } from "../../Agent.ts"
import { isLoss } from "../../ConvexSyncError.ts"
import type { AnsweredRequest, Answer, RequestStore } from "../../RequestStore.ts"
import { retryTransient } from "@opencode-worker/effect-convex"
import type { ReadyTurn } from "../../TurnStore.ts"
import { countRequest } from "../metrics.ts"
import { resubscribe } from "../resubscribe.ts"

/** Retries of a call to the agent, which runs on this machine. */
const agentRetries = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 4 }))

type Outcome =
  | { readonly _tag: "Answered"; readonly answer: Answer }
  /** The agent no longer waits for a reply. */
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Unanswered"; readonly reason: string }

interface OpenRequest {
  readonly outcome: Deferred.Deferred<Outcome>
}

/** The open requests of one turn, by the agent's id. Part of the turn's handle. */
export type TurnRequests = Map<string, OpenRequest>

export interface RequestsOptions {
  /** The time of an operator to answer, 1 second to 20 days, or infinite. A prompt may have its own. Default 10 minutes. */
  readonly requestTimeLimit?: Duration.Input
}

type Turn = Pick<ReadyTurn, "turnId"> & { readonly askTimeout?: number | null | undefined } & {
  readonly requests: TurnRequests
}

const continueHint = "Go on without it, or say what you would need."

const complete = (request: OpenRequest | undefined, outcome: Outcome) =>
  request === undefined ? Effect.succeed(false) : Effect.as(Deferred.succeed(request.outcome, outcome), true)

/** As the agent receives it. */
const toReply = (answer: Answer): RequestReply =>
  answer.type === "turn" || answer.type === "session" || answer.type === "always" ? { type: "once" } : answer

const unanswered = (reason: string) => Effect.succeed<Outcome>({ _tag: "Unanswered", reason })

/** False: the agent no longer waited for the reply. */
const send = (request: AgentRequest, reply: RequestReply) =>
  Effect.retry(request.reply(reply), agentRetries).pipe(
    Effect.map((result) => result === "replied"),
    Effect.catch((error) => Effect.as(Effect.logWarning("The agent rejected a reply", error.message), false)),
    Effect.withSpan("TurnScheduler.reply")
  )

/**
 * `findTurn`: the requests of a turn that this process has claimed. `mayBeLeft`: the turn, or its request, may be of an
 * earlier process, so that an answer waits until it is adopted; the end of the turn closes it otherwise.
 */
export const makeRequests = Effect.fnUntraced(function* (
  store: RequestStore,
  options: RequestsOptions,
  findTurn: (turnId: Id<"turns">) => TurnRequests | undefined,
  mayBeLeft: (turnId: Id<"turns">) => boolean = () => false
) {
  const defaultLimit = Duration.fromInputUnsafe(options.requestTimeLimit ?? "10 minutes")
  /** Milliseconds, or null for no limit. */
  const limitOf = ({ askTimeout }: Turn): number | null =>
    askTimeout !== undefined ? askTimeout : Duration.isFinite(defaultLimit) ? Duration.toMillis(defaultLimit) : null
  const notShown = `This request could not be shown to a person. ${continueHint}`
  const scope = yield* Effect.scope

  /** Stores a request, waits for its outcome, and replies. */
  const ask = Effect.fnUntraced(function* (
    turn: Turn,
    request: AgentRequest,
    card: RequestCard,
    { outcome }: OpenRequest
  ) {
    const stored = yield* Ref.make(Option.none<Id<"requests">>())
    const close = (as: "answered" | "expired" | "cancelled") =>
      Effect.flatMap(Ref.get(stored), Effect.fromOption).pipe(
        Effect.flatMap((requestId) => retryTransient(store.close(requestId, as))),
        Effect.ignore,
        Effect.andThen(countRequest(as)),
        Effect.andThen(Effect.logInfo(`Request ${as}`, { requestId: request.id }))
      )
    const timeLimit = limitOf(turn)
    /** The time limit also runs while the deployment is unreachable. */
    const expires =
      timeLimit === null
        ? Effect.never
        : Effect.delay(
            unanswered(`No person answered within ${Duration.format(Duration.millis(timeLimit))}. ${continueHint}`),
            timeLimit
          )
    const open = store.open({
      ...card,
      turnId: turn.turnId,
      opencodeId: request.id,
      timeLimit
    })
    const ended = yield* retryTransient(open).pipe(
      Effect.tap(({ requestId }) => Ref.set(stored, Option.fromNullOr(requestId))),
      Effect.tap(({ answer }) =>
        answer === null ? Effect.logInfo("Request opened", { requestId: request.id }) : Effect.void
      ),
      Effect.flatMap(({ answer }) =>
        answer === null ? Deferred.await(outcome) : Effect.succeed<Outcome>({ _tag: "Answered", answer })
      ),
      Effect.raceFirst(Deferred.await(outcome)),
      Effect.catch((error) =>
        isLoss(error) ? Effect.never : Effect.andThen(Effect.logWarning(error.message), unanswered(notShown))
      ),
      // A turn that is interrupted leaves its request open: the end of the turn closes it in the deployment.
      Effect.raceFirst(expires)
    )
    const deliver = Effect.gen(function* () {
      switch (ended._tag) {
        case "Closed":
          return yield* close("cancelled")
        case "Unanswered":
          yield* send(request, { type: "unanswered", reason: ended.reason })
          return yield* close("expired")
        case "Answered":
          return yield* close((yield* send(request, toReply(ended.answer))) ? "answered" : "cancelled")
      }
    })
    // A reply may end the turn, which must not interrupt what follows the reply.
    yield* Effect.flatMap(Effect.forkIn(deliver, scope), Fiber.join)
  })

  const serve = Effect.fnUntraced(function* (turn: Turn, request: AgentRequest, open: OpenRequest) {
    const described = yield* Effect.option(Effect.retry(request.describe, agentRetries))
    if (Option.isNone(described)) return yield* send(request, { type: "unanswered", reason: notShown })
    const card = described.value
    const { length } = JSON.stringify(card.content)
    if (length > MAX_REQUEST) {
      const reason = `This request has ${length} characters; at most ${MAX_REQUEST} can be shown to a person. Do it in smaller steps.`
      return yield* send(request, { type: "unanswered", reason })
    }
    return yield* ask(turn, request, card, open)
  })

  const onAnswer = Effect.fnUntraced(function* ({ answer, opencodeId, requestId, turnId }: AnsweredRequest) {
    if (yield* complete(findTurn(turnId)?.get(opencodeId), { _tag: "Answered", answer })) return
    if (mayBeLeft(turnId)) return
    yield* retryTransient(store.close(requestId, "cancelled")).pipe(
      Effect.catch((error) => Effect.logWarning("A request could not be closed", error.message))
    )
  })
  yield* resubscribe(store.answers).pipe(
    Stream.runForEach((answered) => Effect.forEach(answered, onAnswer, { discard: true })),
    Effect.catch((error) => Effect.logWarning("The answers subscription ended", error.message)),
    Effect.forkScoped
  )

  return {
    /** Serves a request until the scope, which is the turn's, closes. */
    open: (turn: Turn, request: AgentRequest): Effect.Effect<void, never, Scope.Scope> =>
      Effect.suspend(() => {
        if (turn.requests.has(request.id)) return Effect.void
        const open: OpenRequest = { outcome: Deferred.makeUnsafe() }
        turn.requests.set(request.id, open)
        const forget = Effect.sync(() => turn.requests.delete(request.id))
        return Effect.asVoid(Effect.forkScoped(Effect.ensuring(serve(turn, request, open), forget)))
      }),
    /** The agent no longer waits for a reply. */
    close: (turn: Turn, requestId: string) => complete(turn.requests.get(requestId), { _tag: "Closed" })
  }
})
