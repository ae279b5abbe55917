/** Follows a turn at the terminal: writes it, and answers its requests. */
import type { PendingRequest, TurnId } from "@opencode-worker/client"
import * as TurnView from "@opencode-worker/client/view"
import { Client } from "@opencode-worker/client/effect"
import { Effect, Stream, SubscriptionRef } from "effect"
import { type Person, promptForRequests } from "./PermissionPrompt.ts"

const requestsIn = ({ blocks }: TurnView.TurnView): ReadonlyArray<PendingRequest> =>
  blocks.flatMap((block) => (block.kind === "request" ? [block.request] : []))

/**
 * Ends with the last view. `write` receives the newest view each time it has ended, because output waits while a request is
 * shown. `requests`: `ask` the person, let the model continue (`deny`), or leave them to `write`.
 */
export const watchTurn = Effect.fnUntraced(function* <E, R>(options: {
  readonly turnId: TurnId
  readonly write: (view: TurnView.TurnView) => Effect.Effect<void, E, R>
  readonly requests: { readonly ask: Person } | "deny" | "leave"
}) {
  const { requests, turnId, write } = options
  const client = yield* Client
  const newest = yield* SubscriptionRef.make(TurnView.empty)
  const waiting = yield* SubscriptionRef.make<ReadonlyArray<PendingRequest>>([])
  const reading = client
    .stream(({ turns }) => turns.follow(turnId))
    .pipe(
      Stream.runForEach((view) =>
        Effect.andThen(SubscriptionRef.set(waiting, requestsIn(view)), SubscriptionRef.set(newest, view))
      )
    )
  const writing = SubscriptionRef.changes(newest).pipe(
    Stream.buffer({ capacity: 1, strategy: "sliding" }),
    Stream.takeUntil(({ end }) => end !== null),
    Stream.runForEach(write)
  )
  const asking =
    requests === "leave" ? Effect.never : promptForRequests(waiting, requests === "deny" ? undefined : requests.ask)
  yield* Effect.raceAllFirst([writing, Effect.andThen(reading, Effect.never), asking])
  return yield* SubscriptionRef.get(newest)
})
