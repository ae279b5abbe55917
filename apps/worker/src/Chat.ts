/**
 * A conversation at the terminal: sends a prompt, writes the answer as it arrives through the deployment.
 *
 * @since 0.1.0
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import { Clock, Effect, Option, Ref, Stream } from "effect"
import { answerRequests } from "./Asking.ts"
import { escapeKey, noKeys } from "./EscapeKey.ts"
import { Operator } from "./Operator.ts"
import { print } from "./terminal/Output.ts"
import { screen } from "./terminal/ScreenText.ts"
import type { Style } from "./terminal/Style.ts"
import * as Transcript from "./Transcript.ts"

/** What the turns of one run came to. */
export interface Tally {
  readonly turns: number
  readonly completed: number
  /** Stopped by the person who asked, as they wanted. */
  readonly stopped: number
  /** Milliseconds from sending the first prompt to its first text. */
  readonly firstText: Option.Option<number>
  /** Updates that brought text before the turn that they belong to was complete. */
  readonly pieces: number
}

export const noTurns: Tally = { turns: 0, completed: 0, stopped: 0, firstText: Option.none(), pieces: 0 }

type Seen = Transcript.Verdict & { readonly transcript: Transcript.Transcript }

/**
 * Sends one prompt and writes its answer, which a person at the terminal can stop with Esc; adds to the tally.
 *
 * @category operations
 * @since 0.1.0
 */
export const ask = Effect.fn("Chat.ask")(function* (options: {
  readonly sessionId: Id<"sessions">
  readonly prompt: string
  readonly model: Option.Option<string>
  readonly style: Style
  readonly tally: Ref.Ref<Tally>
  /** Whether a person is there: to be asked, and who sees already what was typed. */
  readonly interactive: boolean
}) {
  const { interactive, model, prompt, sessionId, style, tally } = options
  const operator = yield* Operator
  if (!interactive) yield* print(screen`\n> ${prompt}\n`)
  yield* Effect.forkScoped(operator.watch(sessionId))
  const sentAt = yield* Clock.currentTimeMillis
  const turnId = yield* operator.send(sessionId, prompt, model)

  const answer = operator.follow(turnId).pipe(
    Stream.runFoldEffect(
      (): Seen => ({ transcript: Transcript.empty, status: "", error: null, answeredBy: null }),
      Effect.fnUntraced(function* ({ transcript }, { answeredBy, deltas, error, status }) {
        const [next, text] = Transcript.live(
          transcript,
          style,
          deltas.flatMap(({ segments }) => segments)
        )
        // A notice says what the answer waits for.
        const isAnswer = deltas.some(({ segments }) => segments.some(({ kind }) => kind !== "notice"))
        if (!text.isEmpty) {
          const now = yield* Clock.currentTimeMillis
          yield* Ref.update(tally, (sum) => ({
            ...sum,
            pieces: sum.pieces + 1,
            firstText: isAnswer ? Option.orElseSome(sum.firstText, () => now - sentAt) : sum.firstText
          }))
          yield* print(text)
        }
        return { transcript: next, status, error, answeredBy }
      })
    )
  )
  // What was refused, because the turn has just ended, needs no second try.
  const keys = interactive ? yield* escapeKey(Effect.ignore(operator.abort(turnId))) : noKeys
  const asked = Effect.andThen(answerRequests(sessionId, interactive, keys), Effect.never)
  const last = yield* Effect.raceFirst(answer, Effect.raceFirst(keys.quit, asked))
  const parts = yield* operator.parts(turnId)
  const [, rest] = Transcript.end(last.transcript, style, last, parts)
  // A person sees the notice; a script has the exit code.
  const isAnswered = last.status === "completed" && (interactive || Transcript.isWhole(parts))
  yield* print(rest)
  yield* Ref.update(tally, (sum) => ({
    ...sum,
    turns: sum.turns + 1,
    completed: sum.completed + (isAnswered ? 1 : 0),
    stopped: sum.stopped + (interactive && last.status === "aborted" ? 1 : 0)
  }))
}, Effect.scoped)
