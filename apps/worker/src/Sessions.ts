/**
 * The OpenCode session behind a conversation: found again, made anew if OpenCode lost it, or created at its first turn.
 *
 * @since 0.1.0
 */
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { Lease } from "@opencode-worker/convex-sync"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { SessionPool } from "@opencode-worker/session-pool"
import { Clock, Context, Effect, Layer, Option, Ref } from "effect"
import { madeFor, metadataFor } from "./OpenCodeSessions.ts"

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
 * What the deployment knows of a conversation now.
 *
 * @category queries
 * @since 0.1.0
 */
export const assigned = (sessionId: Id<"sessions">) =>
  Effect.flatMap(Lease, (lease) => lease.query(api.sessions.assigned, { sessionId }))

/**
 * One that was made for this conversation by a turn that was stopped, or a process that died, before it could say so:
 * without this look, everybody would see two of it. `since`: milliseconds.
 *
 * @category queries
 * @since 0.1.0
 */
export const madeBefore = Effect.fnUntraced(function* (sessionId: Id<"sessions">, since: number) {
  const { client } = yield* OpenCodeHost
  const sessions = yield* client.sessions.list({ since: since - skew })
  return Option.fromUndefinedOr(sessions.find((session) => madeFor(session) === sessionId))
})

const open = Effect.fn("Sessions.open")(function* (sessionId: Id<"sessions">) {
  const lease = yield* Lease
  const { client } = yield* OpenCodeHost
  const { createdAt, lost, opencodeSessionId: known, title } = yield* assigned(sessionId)
  const existing =
    known === null
      ? yield* madeBefore(sessionId, createdAt)
      : yield* Effect.asSome(client.sessions.get(known)).pipe(
          Effect.catchReason("HostError", "NotFound", () => Effect.succeedNone)
        )
  if (Option.isSome(existing) && existing.value.id === known && !lost) return yield* opened(known, Option.none())
  const create = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    client.sessions.create({ title, metadata: metadataFor(sessionId, now) })
  )
  const made = yield* Option.match(existing, { onNone: () => create, onSome: Effect.succeed })
  const { chosenTitle } = yield* lease.mutation(api.sessions.bind, { sessionId, opencodeSessionId: made.id })
  // Chosen while it was being made: the command that tells OpenCode found nothing to rename.
  if (chosenTitle !== null && chosenTitle !== made.title) yield* client.sessions.rename(made.id, chosenTitle)
  // Known and not there any more, or deleted there while somebody saw it.
  const hasForgotten = lost || (known !== null && known !== made.id)
  return yield* opened(made.id, hasForgotten ? Option.some(forgotten) : Option.none())
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
