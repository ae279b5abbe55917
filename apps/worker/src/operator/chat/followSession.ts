/** Writes the turns of a session as they begin, in their order, also those of other operators. */
import type { SessionId, Turn, TurnId } from "@opencode-worker/client"
import * as TurnView from "@opencode-worker/client/view"
import { Client } from "@opencode-worker/client/effect"
import { Clock, Effect, type Ref, Stream, SubscriptionRef } from "effect"
import { showTurn, type Tally } from "../../terminal/Chat.ts"
import type { ChatInput } from "../../terminal/input/ChatInput.ts"
import { print } from "../../terminal/output/Output.ts"
import { screen } from "../../terminal/output/ScreenText.ts"
import type { Page } from "../../terminal/Transcript.ts"
import { isShortAnswer } from "../../terminal/typedAnswer.ts"
import type { ChatScreen } from "./ChatScreen.ts"

/** A prompt of this chat. */
export interface Sent {
  readonly text: string
  /** Milliseconds since 1970. */
  readonly at: number
}

export const make = Effect.fnUntraced(function* (options: {
  /** The turns that are on the screen already. */
  readonly shown: ReadonlySet<TurnId>
  readonly screen: ChatScreen
  readonly input: ChatInput
  readonly page: Page
  readonly tally: Ref.Ref<Tally>
}) {
  const { input, page, screen: chatScreen, tally } = options
  const client = yield* Client
  const turns = yield* SubscriptionRef.make<ReadonlyArray<Turn>>([])
  const shown = new Set(options.shown)
  const open = new Map<TurnId, Sent>()

  const isNext = ({ status, turnId }: Turn) => !shown.has(turnId) && status !== "queued"
  const next = SubscriptionRef.changes(turns).pipe(
    Stream.map((newest) => newest.find(isNext)),
    Stream.filter((turn) => turn !== undefined),
    Stream.runHead,
    Effect.flatMap(Effect.fromOption),
    Effect.orDie
  )
  const drop = (turnId: TurnId) => client.call(({ promptQueue }) => promptQueue.drop(turnId))
  /** Entered before the request was seen, so they do not answer it; they are no prompts either. */
  const takeBackAnswers = Effect.gen(function* () {
    for (const [turnId, { text }] of open) {
      if (shown.has(turnId) || !isShortAnswer(text)) continue
      const isDropped = yield* Effect.match(drop(turnId), { onFailure: () => false, onSuccess: () => true })
      if (isDropped && open.delete(turnId)) input.giveBack(text)
    }
  })
  const show = Effect.fnUntraced(function* (turn: Turn) {
    const { head, length, turnId } = turn
    shown.add(turnId)
    const own = open.get(turnId)
    yield* print(screen`\n> ${own?.text ?? head}${own === undefined && length > head.length ? "…" : ""}\n`)
    const since = yield* Clock.currentTimeMillis
    const onView = Effect.fnUntraced(function* (view: TurnView.TurnView, pending: string) {
      chatScreen.update({ running: view.end === null ? { view, pending, since } : undefined })
      if (view.blocks.some(({ kind }) => kind === "request")) yield* takeBackAnswers
    })
    yield* onView(TurnView.empty, "")
    yield* showTurn({ turnId, page, tally, input, sentAt: own?.at, onView })
    open.delete(turnId)
    // For those that wait until nothing is open.
    yield* SubscriptionRef.update(turns, (same) => [...same])
  })

  const run = (sessionId: SessionId) => {
    const store = Stream.runForEach(
      client.stream((operator) => operator.turns.watch(sessionId)),
      (newest) => SubscriptionRef.set(turns, newest)
    )
    const queue = Stream.runForEach(
      client.stream(({ promptQueue }) => promptQueue.watch(sessionId)),
      (queued) => Effect.sync(() => chatScreen.update({ queued }))
    )
    return Effect.all([store, queue, Effect.forever(Effect.flatMap(next, show))], {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.andThen(Effect.never))
  }
  /** Waits until all added prompts were answered, or removed from the queue. */
  const settled = SubscriptionRef.changes(turns).pipe(
    Stream.filter(() => open.size === 0),
    Stream.runHead,
    Effect.asVoid
  )
  /** Stops the running turns, and removes the prompts of this chat that wait. */
  const stop = Effect.gen(function* () {
    for (const { finishedAt, status, turnId } of yield* SubscriptionRef.get(turns)) {
      if (finishedAt !== null) continue
      // A turn that has just begun or ended refuses this, and needs no retry.
      if (status !== "queued") yield* Effect.ignore(client.call((operator) => operator.turns.abort(turnId)))
      else if (open.delete(turnId)) yield* Effect.ignore(drop(turnId))
    }
    yield* SubscriptionRef.update(turns, (same) => [...same])
  })
  return {
    /** The newest turns, in their order. */
    turns,
    /** Names a prompt, so that its whole text is shown, and `settled` waits for it. */
    add: (turnId: TurnId, prompt: Sent) => void (shown.has(turnId) || open.set(turnId, prompt)),
    run,
    settled,
    stop
  }
})
