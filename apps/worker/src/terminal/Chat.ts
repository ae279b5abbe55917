/** A conversation at the terminal: sends a prompt, writes the answer as it arrives through the deployment. */
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
  /** Stopped by the person who asked, as they wanted. */
  readonly stopped: number
  /** Prompts that the deployment did not accept. */
  readonly refused: number
  /** Milliseconds from sending the first prompt to its first text. */
  readonly firstText: Option.Option<number>
  /** Updates that brought text before the turn that they belong to was complete. */
  readonly pieces: number
}

export const noTurns: Tally = { turns: 0, completed: 0, stopped: 0, refused: 0, firstText: Option.none(), pieces: 0 }

/** A prompt that cannot be sent, because it is too long for example, says nothing about the next one. */
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
  /** Where a person is, who can be asked, and who sees already what was typed. */
  readonly input: ChatInput | undefined
}) {
  const { input, model, prompt, sessionId, style, tally } = options
  const client = yield* Client
  if (input === undefined) yield* print(screen`\n> ${prompt}\n`)
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
          // A notice says what the answer waits for.
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
  // An abort that is refused, because the turn has just ended, needs no second try.
  const stop = Effect.ignore(client.call(({ turns }) => turns.abort(turnId)))
  const { view } = yield* input === undefined ? turn : input.onEscape(stop)(turn)
  // A person sees the notice that an answer is not whole; a script has the exit code.
  const isAnswered = input === undefined ? view.end?.isWhole === true : view.status === "completed"
  yield* Ref.update(tally, (sum) => ({
    ...sum,
    turns: sum.turns + 1,
    completed: sum.completed + (isAnswered ? 1 : 0),
    stopped: sum.stopped + (input !== undefined && view.status === "aborted" ? 1 : 0)
  }))
})
