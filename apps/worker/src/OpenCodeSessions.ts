/**
 * The sessions that OpenCode has, whoever began them: opencode-host in the terms of convex-sync's session sync.
 *
 * @since 0.1.0
 */
import type { SessionSync } from "@opencode-worker/convex-sync"
import { type HostEvent, OpenCodeHost, type Session } from "@opencode-worker/opencode-host"
import { Data, Effect, Option, Predicate, Result, Stream } from "effect"

/** In the metadata of a session that a worker made: the conversation that it was made for. */
export const madeForKey = "opencodeWorkerSession"

const listed = ({ id, metadata, time, title }: Session) => {
  const madeFor = metadata?.[madeForKey]
  return { id, title, updated: time.updated, madeFor: Predicate.isString(madeFor) ? madeFor : undefined }
}

const sessionEvent = (element: HostEvent): Result.Result<SessionSync.SessionEvent, undefined> => {
  if (element._tag === "Gap") return Result.succeed({ _tag: "Gap" })
  const { event } = element
  if (event.type === "session.deleted") return Result.succeed({ _tag: "Deleted", id: event.properties.info.id })
  if (event.type !== "session.created" && event.type !== "session.updated") return Result.fail(undefined)
  const { info } = event.properties
  return info.parentID === undefined
    ? Result.succeed({ _tag: "Changed", session: listed(info) })
    : Result.fail(undefined)
}

/** Nobody uses the server, which was ended for that. */
class Asleep extends Data.TaggedError("Asleep") {
  override readonly message = "OpenCode is asleep"
}

/**
 * The source over the hosted server. Sub-agents' sessions are left out. A server that was ended because nobody used it is
 * not started for a list, which fails then: what changes without it is told after its next start, which is a gap.
 *
 * @category constructors
 * @since 0.1.0
 */
export const openCodeSessions = Effect.map(OpenCodeHost, ({ events, ifAwake }): SessionSync.SessionSource => ({
  events: Stream.filterMap(events, sessionEvent),
  list: (since) =>
    Effect.flatMap(
      ifAwake(({ sessions }) => sessions.list({ since })),
      Option.match({
        onNone: () => new Asleep(),
        onSome: (sessions) => Effect.succeed(sessions.map(listed))
      })
    )
}))
