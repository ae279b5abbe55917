/** A conversation at the terminal: sends prompts, and writes each answer as it arrives through the deployment. */
import { type SessionId, TurnView } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import type { ConvexClientError } from "@opencode-worker/effect-convex"
import { Clock, Effect, Option, Ref, Stream } from "effect"
import { promptForRequests } from "./PermissionPrompt.ts"
import type { ChatInput } from "./input/ChatInput.ts"
import { columns, print, printLine } from "./output/Output.ts"
import { screen } from "./output/ScreenText.ts"
import type { Style } from "./output/Style.ts"
import * as Transcript from "./Transcript.ts"

/** Counts of the turns of one run. */
export interface Tally {
  readonly turns: number
  readonly completed: number
  /** Stopped by the user. */
  readonly stopped: number
  /** Prompts that the deployment did not accept. */
  readonly refused: number
  /** Milliseconds from sending the first prompt to its first text. */
  readonly firstText: Option.Option<number>
  /** Updates with text that arrived before the end of their turn. */
  readonly pieces: number
}

export const noTurns: Tally = { turns: 0, completed: 0, stopped: 0, refused: 0, firstText: Option.none(), pieces: 0 }

/** A rejected prompt, for example one that is too long, does not end the chat. */
const accepted = <A>(sending: Effect.Effect<A, ConvexClientError>) =>
  Effect.asSome(sending).pipe(
    Effect.catchReason("ConvexClientError", "Rejected", ({ code, message }, error) =>
      code === "InvalidArgument"
        ? Effect.as(printLine(screen`not sent: ${message}.`), Option.none<A>())
        : Effect.fail(error)
    )
  )

interface Seen {
  readonly transcript: Transcript.Transcript
  readonly view: TurnView.TurnView
}

/** Sends one prompt and writes its answer, which a person at the terminal can stop with Esc; adds to the tally. */
export const ask = Effect.fn("Chat.ask")(function* (options: {
  readonly sessionId: SessionId
  readonly prompt: string
  readonly model: Option.Option<string>
  readonly style: Style
  readonly tally: Ref.Ref<Tally>
  /** Defined if a person is at the terminal: they can answer requests. */
  readonly input: ChatInput | undefined
  /** Whether the person typed the prompt, and has seen it. */
  readonly isTyped: boolean
}) {
  const { input, isTyped, model, prompt, sessionId, style, tally } = options
  const client = yield* Client
  if (!isTyped) yield* print(screen`\n> ${prompt}\n`)
  const sentAt = yield* Clock.currentTimeMillis
  const sent = yield* accepted(
    client.call(({ turns }) => turns.send(sessionId, prompt, Option.isSome(model) ? { model: model.value } : {}))
  )
  if (Option.isNone(sent)) return yield* Ref.update(tally, (sum) => ({ ...sum, refused: sum.refused + 1 }))
  const turnId = sent.value

  const answer = client
    .stream(({ turns }) => turns.follow(turnId))
    .pipe(
      Stream.runFoldEffect(
        (): Seen => ({ transcript: Transcript.empty, view: TurnView.empty }),
        Effect.fnUntraced(function* ({ transcript }, view) {
          const [next, text] = Transcript.render(transcript, style, view)
          // A notice names the cause of the wait.
          const isAnswer = view.blocks.some(({ kind }) => kind !== "notice" && kind !== "request")
          if (!text.isEmpty && view.end === null) {
            const now = yield* Clock.currentTimeMillis
            yield* Ref.update(tally, (sum) => ({
              ...sum,
              pieces: sum.pieces + 1,
              firstText: isAnswer ? Option.orElseSome(sum.firstText, () => now - sentAt) : sum.firstText
            }))
          }
          if (!text.isEmpty) yield* print(text)
          return { transcript: next, view }
        })
      )
    )
  const asked = promptForRequests(sessionId, input && { input, style, columns: columns() })
  const turn = Effect.raceFirst(answer, Effect.andThen(asked, Effect.never))
  // An abort is refused if the turn has just ended, and needs no retry.
  const stop = Effect.ignore(client.call(({ turns }) => turns.abort(turnId)))
  const { view } = yield* input === undefined ? turn : input.onEscape(stop)(turn)
  // A chat shows the notice of an incomplete answer; `--prompt` also has the exit code.
  const isAnswered = view.status === "completed" && (isTyped || view.end?.isWhole === true)
  yield* Ref.update(tally, (sum) => ({
    ...sum,
    turns: sum.turns + 1,
    completed: sum.completed + (isAnswered ? 1 : 0),
    stopped: sum.stopped + (input !== undefined && view.status === "aborted" ? 1 : 0)
  }))
})
