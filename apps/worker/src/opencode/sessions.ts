/** All sessions of OpenCode as a `SessionSource` of convex-sync. */
import type { SessionEvent, SessionSource } from "@opencode-worker/convex-sync"
import {
  type HostError,
  type HostEvent,
  type OpenCodeClient,
  OpenCodeHost,
  type OpenCodeSession
} from "@opencode-worker/opencode-host"
import { Data, Effect, Option, Predicate, Result, Stream } from "effect"
import { hasMessage, partIds } from "./history.ts"

/** Metadata key of the deployment's session that a worker created the OpenCode session for. */
export const madeForKey = "opencodeWorkerSession"
/** Metadata key of the creation time in milliseconds. A fork has the same metadata, but was created later. */
const madeAtKey = "opencodeWorkerMadeAt"

/** Maximum delay between a worker's request and the session's creation in milliseconds, clock differences included. */
const soon = 60_000

/** The metadata of a session that is created for a session of the deployment at `now`, in milliseconds. */
export const metadataFor = (sessionId: string, now: number) => ({ [madeForKey]: sessionId, [madeAtKey]: now })

/** The deployment's session that an OpenCode session was created for. A fork copies the metadata of its origin, but was created for none. */
export const createdForSessionId = ({
  metadata,
  time
}: Pick<OpenCodeSession, "metadata" | "time">): string | undefined => {
  const sessionId = metadata?.[madeForKey]
  const madeAt = metadata?.[madeAtKey]
  const isFork = Predicate.isNumber(madeAt) && Math.abs(time.created - madeAt) > soon
  return Predicate.isString(sessionId) && !isFork ? sessionId : undefined
}

const listed = (session: OpenCodeSession) => ({
  id: session.id,
  title: session.title,
  updated: session.time.updated,
  createdForSessionId: createdForSessionId(session),
  archived: (session.time.archived ?? 0) > 0,
  revertedFrom: session.revert?.messageID
})

const sessionEvent = (element: HostEvent): Result.Result<SessionEvent, undefined> => {
  if (element._tag === "Gap") return Result.succeed({ _tag: "Gap" })
  const { event } = element
  if (event.type === "session.deleted") return Result.succeed({ _tag: "Deleted", id: event.properties.info.id })
  if (event.type === "message.removed") {
    const { messageID: messageId, sessionID: opencodeSessionId } = event.properties
    return Result.succeed({ _tag: "MessageRemoved", message: { messageId, opencodeSessionId } })
  }
  if (event.type === "message.part.removed") {
    return Result.succeed({ _tag: "PartRemoved", id: event.properties.sessionID })
  }
  if (event.type !== "session.created" && event.type !== "session.updated") return Result.fail(undefined)
  const { info } = event.properties
  return info.parentID === undefined
    ? Result.succeed({ _tag: "Changed", session: listed(info) })
    : Result.fail(undefined)
}

/** The server was stopped because it was idle. */
class Asleep extends Data.TaggedError("Asleep") {
  override readonly message = "OpenCode is asleep"
}

/**
 * The source over the hosted server, without the sessions of sub-agents. A list does not start an idle server: it fails, and the
 * next start is a gap, after which the changes are listed.
 */
export const openCodeSessions = Effect.map(OpenCodeHost, ({ ifRunning, listen }): SessionSource => {
  const whileRunning = <A, E>(
    read: (client: OpenCodeClient) => Effect.Effect<A, E>
  ): Effect.Effect<A, Asleep | E | HostError> =>
    Effect.flatMap(ifRunning(read), Option.match({ onNone: () => new Asleep(), onSome: Effect.succeed }))
  return {
    events: Stream.filterMap(
      listen(
        ({ type }) => type.startsWith("session.") || type === "message.removed" || type === "message.part.removed"
      ),
      sessionEvent
    ),
    list: (since) => whileRunning(({ sessions }) => Effect.map(sessions.list({ since }), (found) => found.map(listed))),
    record: {
      has: (sessionId, messageId) => whileRunning((client) => hasMessage(client, sessionId, messageId)),
      partIds: (sessionId, messageId) => whileRunning((client) => partIds(client, sessionId, messageId))
    }
  }
})
