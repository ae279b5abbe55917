/** Follows a turn at the command line until it ends, waits for a person, or exceeds a time limit. */
import type { TurnId, TurnView } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import type { ConvexClientError } from "@opencode-worker/effect-convex"
import { Duration, Effect, Option } from "effect"
import { type AppError, temporaryError } from "../AppError.ts"
import { logLine } from "../terminal/output/Output.ts"
import { screen } from "../terminal/output/ScreenText.ts"
import type { Person } from "../terminal/PermissionPrompt.ts"
import { watchTurn } from "../terminal/watchTurn.ts"
import type { AnswerWriter } from "./answerWriter.ts"
import { outcomeError, timedOut, waitsForPerson } from "./outcome.ts"

/** The reaction to a request of the agent. `ask`: the person at this terminal answers. */
export const reactions = ["ask", "fail", "deny", "wait"] as const
type Reaction = (typeof reactions)[number]

export interface FollowOptions {
  readonly turnId: TurnId
  readonly writer: AnswerWriter
  readonly onRequest: Reaction
  /** The person who answers, with `ask`. */
  readonly person: Person | undefined
  readonly timeout: Option.Option<Duration.Duration>
  /** Whether the time limit and an interruption stop the turn. Otherwise only following it ends. */
  readonly stop: boolean
}

/** The deployment records an abort within this time, or the command ends without it. */
const stopLimit = "3 seconds"

/** Ends when the turn has ended whole; fails with the exit code of any other end. */
export const followTurn = Effect.fnUntraced(function* (options: FollowOptions) {
  const { onRequest, person, stop, timeout, turnId, writer } = options
  const client = yield* Client
  // A call waits for a deployment that is away. The user does not.
  const abort = Effect.interruptible(client.call(({ turns }, calls) => turns.abort(turnId, calls))).pipe(
    Effect.timeoutOption(stopLimit)
  )
  const announced = new Set<string>()
  const onView = Effect.fnUntraced(function* (view: TurnView.TurnView) {
    yield* writer.write(view)
    const requests = view.blocks.flatMap((block) => (block.kind === "request" ? [block.request] : []))
    const [waiting] = requests
    if (waiting !== undefined && onRequest === "fail") return yield* waitsForPerson(turnId, waiting.subject)
    for (const { requestId, subject } of onRequest === "wait" ? requests : []) {
      if (announced.has(requestId)) continue
      announced.add(requestId)
      logLine(screen`The turn waits for an answer: ${subject} (opencode-worker inbox ls)`)
    }
  })
  const requests =
    onRequest === "ask" && person !== undefined
      ? { ask: person }
      : onRequest === "deny"
        ? ("deny" as const)
        : ("leave" as const)
  const ended: Effect.Effect<TurnView.TurnEnd | null, AppError | ConvexClientError, Client> = Effect.map(
    watchTurn({ turnId, write: onView, requests }),
    ({ end }) => end
  )
  const limited = Option.match(timeout, {
    onNone: () => Effect.never,
    onSome: (limit) =>
      Effect.sleep(limit).pipe(
        Effect.andThen(
          stop ? Effect.match(abort, { onFailure: () => false, onSuccess: Option.isSome }) : Effect.succeed(false)
        ),
        Effect.flatMap((isStopped) => Effect.fail(timedOut(turnId, Duration.format(limit), isStopped)))
      )
  })
  const end = yield* Effect.raceFirst(ended, limited).pipe(
    Effect.onInterrupt(() => (stop ? Effect.ignore(abort) : Effect.void))
  )
  if (end === null) return yield* temporaryError(`Turn ${turnId} goes on, and could not be followed to its end.`)
  const error = outcomeError(turnId, end)
  if (error !== null) return yield* error
})
