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

/** Conversations whose OpenCode session is known to exist. The bound is on turns that run at once, not on memory alone. */
const capacity = 20
/** A conversation that nobody continues for this long is looked up again when somebody does. */
const idleTimeToLive = "5 minutes"

const lost = "OpenCode no longer had this conversation: it goes on here without what was said before."

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
  const { createdAt, opencodeSessionId: known, title } = yield* lease.query(api.sessions.assigned, { sessionId })
  if (known !== null) {
    const exists = yield* client.sessions.get(known).pipe(
      Effect.as(true),
      Effect.catchReason("HostError", "NotFound", () => Effect.succeed(false))
    )
    if (exists) return yield* opened(known, Option.none())
  }
  const create = client.sessions.create({ title, metadata: { [madeForKey]: sessionId } })
  const made = known === null ? yield* madeBefore(sessionId, createdAt) : Option.none()
  const { id } = yield* Option.match(made, { onNone: () => create, onSome: Effect.succeed })
  yield* lease.mutation(api.sessions.bind, { sessionId, opencodeSessionId: id })
  return yield* opened(id, known === null ? Option.none() : Option.some(lost))
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
