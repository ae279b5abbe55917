/**
 * The OpenCode session behind a conversation: found again, made anew if OpenCode lost it, or created at its first turn.
 *
 * @since 0.1.0
 */
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { Lease } from "@opencode-worker/convex-sync"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { SessionPool } from "@opencode-worker/session-pool"
import { Context, Effect, Layer, Option, Ref } from "effect"
import { madeForKey } from "./OpenCodeSessions.ts"

/** Turns that run at once, and conversations whose OpenCode session is known to exist. */
export const capacity = 20
/** A conversation that nobody continues for this long is looked up again when somebody does. */
const idleTimeToLive = "5 minutes"

const forgotten = "OpenCode no longer had this conversation: it goes on here without what was said before."

/** `notice`: what the next turn must tell its reader, once. */
const opened = (opencodeSessionId: string, notice: Option.Option<string>) =>
  Effect.map(Ref.make(notice), (pending) => ({ opencodeSessionId, notice: pending }))

/** The clocks of a deployment and of its workers may differ by so much, in milliseconds. */
const skew = 10 * 60 * 1000

/**
 * One that was made for this conversation by somebody who died before they could say so: without this look, everybody
 * would see two of it. `since`: milliseconds.
 */
const madeBefore = Effect.fnUntraced(function* (sessionId: Id<"sessions">, since: number) {
  const { client } = yield* OpenCodeHost
  const sessions = yield* client.sessions.list({ since: since - skew })
  return Option.fromUndefinedOr(sessions.find(({ metadata }) => metadata?.[madeForKey] === sessionId))
})

const open = Effect.fn("Sessions.open")(function* (sessionId: Id<"sessions">) {
  const lease = yield* Lease
  const { client } = yield* OpenCodeHost
  const assigned = yield* lease.query(api.sessions.assigned, { sessionId })
  const { createdAt, opencodeSessionId: known, title } = assigned
  const existing =
    known === null
      ? yield* madeBefore(sessionId, createdAt)
      : yield* Effect.asSome(client.sessions.get(known)).pipe(
          Effect.catchReason("HostError", "NotFound", () => Effect.succeedNone)
        )
  if (Option.isSome(existing) && existing.value.id === known && !assigned.lost)
    return yield* opened(known, Option.none())
  const create = client.sessions.create({ title, metadata: { [madeForKey]: sessionId } })
  const { id } = yield* Option.match(existing, { onNone: () => create, onSome: Effect.succeed })
  yield* lease.mutation(api.sessions.bind, { sessionId, opencodeSessionId: id })
  // Known and not there any more, or deleted there while somebody saw it.
  const hasForgotten = assigned.lost || (known !== null && known !== id)
  return yield* opened(id, hasForgotten ? Option.some(forgotten) : Option.none())
})

const make = SessionPool.make({ open, capacity, idleTimeToLive, name: "opencode" })

/**
 * One running turn a conversation, a bounded number of conversations at once.
 *
 * @category services
 * @since 0.1.0
 */
export class Sessions extends Context.Service<Sessions, Effect.Success<typeof make>>()("opencode-worker/Sessions") {
  static readonly layer = Layer.effect(Sessions, make)
}
