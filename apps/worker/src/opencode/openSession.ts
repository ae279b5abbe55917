/** The OpenCode session of a session of the deployment. It is created at the first turn, and recreated if OpenCode has lost it. */
import type { Id } from "@opencode-worker/convex-backend/api"
import type { Conversation } from "@opencode-worker/convex-sync"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { Clock, Effect, Metric, Option } from "effect"
import { createdForSessionId, metadataFor } from "./sessions.ts"

export interface OpenSession {
  readonly id: string
  /** Must be shown once, in the next turn. */
  lossNotice: Option.Option<string>
}

const sessionLost = "OpenCode no longer had this session: it goes on here without the earlier prompts and answers."

/** The clocks of a deployment and of its workers may differ by this, in milliseconds. */
const maxClockSkew = 10 * 60 * 1000

/**
 * Finds a session that was created for this session of the deployment but not linked, because its turn was stopped or its process died.
 * Otherwise operators would see two sessions. `since`: milliseconds since 1970.
 */
export const findUnlinked = Effect.fnUntraced(function* (sessionId: Id<"sessions">, since: number) {
  const { client } = yield* OpenCodeHost
  const sessions = yield* client.sessions.list({ since: since - maxClockSkew })
  return Option.fromUndefinedOr(sessions.find((session) => createdForSessionId(session) === sessionId))
})

const sessionsOpened = Metric.counter("opencode_sessions_opened_total", {
  description: "Sessions that a turn opened in OpenCode: restored, or created",
  incremental: true
})

const countOpened = (how: "created" | "restored") => Metric.update(Metric.withAttributes(sessionsOpened, { how }), 1)

const opened = (id: string, isLost: boolean): OpenSession => ({
  id,
  lossNotice: isLost ? Option.some(sessionLost) : Option.none()
})

/** Finds or creates the session, and links it to the deployment's session. */
export const openSession = Effect.fn("OpenCode.openSession")(function* ({ link, read, sessionId }: Conversation) {
  const { client } = yield* OpenCodeHost
  const { agentSessionId: known, createdAt, historyLost, title } = yield* read
  const existing =
    known === null
      ? yield* findUnlinked(sessionId, createdAt)
      : yield* Effect.asSome(client.sessions.get(known)).pipe(
          Effect.catchReason("HostError", "NotFound", () => Effect.succeedNone)
        )
  yield* countOpened(Option.isSome(existing) ? "restored" : "created")
  if (Option.isSome(existing) && existing.value.id === known && !historyLost) return opened(known, false)
  const create = Effect.flatMap(Clock.currentTimeMillis, (now) =>
    client.sessions.create({ title, metadata: metadataFor(sessionId, now) })
  )
  const session = yield* Option.match(existing, { onNone: () => create, onSome: Effect.succeed })
  const { chosenTitle } = yield* link(session.id)
  // The operator chose it while the session was created: the rename command found no session to rename.
  if (chosenTitle !== null && chosenTitle !== session.title) yield* client.sessions.rename(session.id, chosenTitle)
  return opened(session.id, historyLost || (known !== null && known !== session.id))
})
