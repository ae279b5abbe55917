/** A chat at the terminal: sends prompts, and writes each answer as it arrives through the deployment. */
import type { SessionId, TurnId, TurnView } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import type { ConvexClientError } from "@opencode-worker/effect-convex"
import { Clock, Effect, Option, Ref } from "effect"
import type { ChatInput } from "./input/ChatInput.ts"
import { columns, print, printLine } from "./output/Output.ts"
import { screen } from "./output/ScreenText.ts"
import * as Transcript from "./Transcript.ts"
import { watchTurn } from "./watchTurn.ts"

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
export const accepted = <A>(
  sending: Effect.Effect<A, ConvexClientError>
): Effect.Effect<Option.Option<A>, ConvexClientError> =>
  Effect.asSome(sending).pipe(
    Effect.catchReason("ConvexClientError", "Rejected", ({ code, message }, error) =>
      code === "InvalidArgument"
        ? Effect.as(printLine(screen`not sent: ${message}.`), Option.none<A>())
        : Effect.fail(error)
    )
  )

/** Sends one prompt and writes its answer; adds to the tally. */
export const ask = Effect.fn("Chat.ask")(function* (options: {
  readonly sessionId: SessionId
  readonly prompt: string
  readonly model: Option.Option<string>
  readonly page: Transcript.Page
  readonly tally: Ref.Ref<Tally>
  /** Defined if a person is at the terminal: they can answer requests, and stop the answer with Esc. */
  readonly input: ChatInput | undefined
}) {
  const { input, model, page, prompt, sessionId, tally } = options
  const client = yield* Client
  yield* print(screen`\n> ${prompt}\n`)
  const sentAt = yield* Clock.currentTimeMillis
  const sent = yield* accepted(
    client.call(({ turns }) => turns.send(sessionId, prompt, Option.isSome(model) ? { model: model.value } : {}))
  )
  if (Option.isNone(sent)) return yield* Ref.update(tally, (sum) => ({ ...sum, refused: sum.refused + 1 }))
  const turn = showTurn({ turnId: sent.value, page, tally, input, sentAt, onView: () => Effect.void })
  // An abort is refused if the turn has just ended, and needs no retry.
  const stop = Effect.ignore(client.call(({ turns }) => turns.abort(sent.value)))
  yield* input === undefined ? turn : input.onEscape(stop)(turn)
})

/** Writes a turn until its end, and adds it to the tally. */
export const showTurn = Effect.fnUntraced(function* (options: {
  readonly turnId: TurnId
  readonly page: Transcript.Page
  readonly tally: Ref.Ref<Tally>
  readonly input: ChatInput | undefined
  /** Milliseconds since 1970, or undefined for a turn of another operator. */
  readonly sentAt: number | undefined
  /** `pending`: the Markdown that is not written yet. */
  readonly onView: (view: TurnView.TurnView, pending: string) => Effect.Effect<void>
}) {
  const { input, onView, page, sentAt, tally, turnId } = options
  let transcript = Transcript.empty
  const write = Effect.fnUntraced(function* (view: TurnView.TurnView) {
    const [next, text] = Transcript.render(transcript, page, view)
    transcript = next
    yield* onView(view, next.pending)
    // A notice names the cause of the wait.
    const isAnswer = view.blocks.some(({ kind }) => kind !== "notice" && kind !== "request")
    if ((!text.isEmpty || next.pending !== "") && view.end === null) {
      const now = yield* Clock.currentTimeMillis
      yield* Ref.update(tally, (sum) => ({
        ...sum,
        pieces: sum.pieces + 1,
        firstText:
          isAnswer && sentAt !== undefined ? Option.orElseSome(sum.firstText, () => now - sentAt) : sum.firstText
      }))
    }
    if (!text.isEmpty) yield* print(text)
  })
  const requests = input === undefined ? "deny" : { ask: { input, style: page.style, columns: columns() } }
  const view = yield* watchTurn({ turnId, write, requests })
  const isAnswered = view.status === "completed" && view.end?.isWhole === true
  yield* Ref.update(tally, (sum) => ({
    ...sum,
    turns: sum.turns + 1,
    completed: sum.completed + (isAnswered ? 1 : 0),
    stopped: sum.stopped + (input !== undefined && view.status === "aborted" ? 1 : 0)
  }))
})
