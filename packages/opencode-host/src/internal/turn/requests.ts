/**
 * The requests of a session and its sub-agents.
 *
 * ```
 *  asked event, or listed with a running tool ──▶ RequestOpened ── replied, or its tool ended ──▶ RequestClosed
 *  listed without a running tool (zombie) ──▶ taken off OpenCode's list when its session is idle
 * ```
 *
 * Invariants
 * - A request is opened at most once, and closed before the turn ends.
 * - A zombie is never opened and never approved: OpenCode stores the end of an aborted tool before the tool stops, so an
 *   approval could still run it.
 * - A zombie is rejected only when its session is idle: OpenCode rejects the live requests of the session with it. A
 *   question cannot be taken off the list.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { HostError } from "../../HostError.ts"
import type { OpenCodeClient, OpenCodeEvent, ToolPart } from "../../OpenCodeClient.ts"
import type { OpenCodeRequest, OpenCodeRequestRef, RequestReply } from "../../OpenCodeRequest.ts"
import type { TurnEvent } from "../../TurnEvent.ts"
import { isBusy } from "./record.ts"
import { type AskedRequest, readOrigin, requestingPart } from "./requestOrigin.ts"

/** OpenCode runs on this machine: a failure that outlasts these retries is repaired by the next refresh. */
const retryPolicy = Schedule.exponential("100 millis").pipe(Schedule.upTo({ times: 4 }))
/** An abort ends a tool shortly after its session, and the session is busy until then. */
const whileEnding = Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: "10 seconds" }))

/** OpenCode may run a tool, which asks, before it stores that the tool runs. */
const hasEnded = ({ state: { status } }: ToolPart) => status === "completed" || status === "error"

/** A request outlives the tool that made it: only a tool that has not ended waits for a reply. */
const isWaiting = Effect.fnUntraced(function* (client: OpenCodeClient, request: OpenCodeRequestRef) {
  if (request.tool === undefined) return true
  const part = (yield* requestingPart(client, request.sessionID, request.tool))?.part
  return part !== undefined && !hasEnded(part)
})

/** Whether a request is a zombie that can be rejected without effect on another request. */
const isClearable = Effect.fnUntraced(function* (client: OpenCodeClient, request: OpenCodeRequestRef) {
  return !(yield* isWaiting(client, request)) && !(yield* isBusy(client, request.sessionID))
})

/** Takes a permission that no tool waits for off OpenCode's list, as soon as its session is idle. Never fails. */
export const clearZombie = (client: OpenCodeClient, request: OpenCodeRequestRef): Effect.Effect<void> => {
  if (request.kind === "question") return Effect.void
  return Effect.repeat(isClearable(client, request), { until: (is) => is, schedule: whileEnding }).pipe(
    Effect.flatMap((is) => (is ? client.permissions.reply(request.id, "reject") : Effect.void)),
    Effect.catch((error) => Effect.logDebug(error.message))
  )
}

const send = (client: OpenCodeClient, id: string, reply: RequestReply): Effect.Effect<void, HostError> => {
  switch (reply.type) {
    case "once":
      return client.permissions.reply(id, "once")
    case "reject":
      return client.permissions.reply(id, "reject", reply.message)
    case "answers":
      return client.questions.reply(id, reply.answers)
    case "dismiss":
      return client.questions.reject(id)
  }
}

/** `closed`: the agent no longer waits for it. */
export const replyTo = Effect.fn("OpenCodeHost.reply")(function* (
  client: OpenCodeClient,
  request: OpenCodeRequestRef,
  reply: RequestReply
) {
  if (!(yield* isWaiting(client, request))) return "closed" as const
  return yield* send(client, request.id, reply).pipe(
    Effect.as("replied" as const),
    Effect.catchReason("HostError", "NotFound", () => Effect.succeed("closed" as const))
  )
})

/** All requests of the directory, those of zombies among them. */
const listRequests = (client: OpenCodeClient): Effect.Effect<ReadonlyArray<AskedRequest>, HostError> =>
  Effect.zipWith(client.permissions.list, client.questions.list, (permissions, questions) => [
    ...permissions.map((request) => ({ ...request, kind: "permission" as const })),
    ...questions.map((request) => ({ ...request, kind: "question" as const }))
  ])

/** Whether a session is `rootId` or one of its sub-agents', of any depth. */
export const sessionTree = (client: OpenCodeClient, rootId: string) => {
  const known = new Map<string, boolean>([[rootId, true]])
  const includes = (id: string): Effect.Effect<boolean, HostError> => {
    const isKnown = known.get(id)
    if (isKnown !== undefined) return Effect.succeed(isKnown)
    return client.sessions.get(id).pipe(
      Effect.flatMap(({ parentID }) => (parentID === undefined ? Effect.succeed(false) : includes(parentID))),
      Effect.catchReason("HostError", "NotFound", () => Effect.succeed(false)),
      Effect.tap((is) => Effect.sync(() => known.set(id, is)))
    )
  }
  return { includes }
}

/** Clears the zombies of a session that was aborted. */
export const clearZombies = Effect.fnUntraced(function* (client: OpenCodeClient, rootId: string) {
  const tree = sessionTree(client, rootId)
  const left = yield* Effect.filter(yield* listRequests(client), ({ sessionID }) => tree.includes(sessionID))
  yield* Effect.forEach(left, (request) => clearZombie(client, request), { concurrency: "unbounded", discard: true })
})

/**
 * Whether a request of the session or of its sub-agents waits for a reply. False if OpenCode cannot encode its list, which has
 * the only ids of the requests.
 */
export const isAsking = Effect.fn("OpenCodeHost.isAsking")(function* (client: OpenCodeClient, rootId: string) {
  const tree = sessionTree(client, rootId)
  const listed = yield* Effect.catchReason(listRequests(client), "HostError", "Protocol", () => Effect.succeed([]))
  for (const request of listed) {
    if ((yield* tree.includes(request.sessionID)) && (yield* isWaiting(client, request))) return true
  }
  return false
})

/** Follows the requests of a turn. No effect of it fails: what could not be read is read by the next `refresh`. */
export const requestTracker = (client: OpenCodeClient, rootId: string, tree = sessionTree(client, rootId)) => {
  const open = new Map<string, OpenCodeRequest>()
  const opened = new Set<string>()
  /** Zombies, and requests that the end of the turn has closed. */
  const left = new Map<string, OpenCodeRequestRef>()
  /** Not emitted yet. */
  let events: Array<TurnEvent> = []
  /** Requests may have been opened or closed unnoticed. */
  let isStale = true

  const onOpen = Effect.fnUntraced(function* (asked: AskedRequest) {
    if (opened.has(asked.id) || !(yield* tree.includes(asked.sessionID))) return
    const request: OpenCodeRequest = { ...asked, ...(yield* readOrigin(client, asked)) }
    opened.add(asked.id)
    open.set(asked.id, request)
    events.push({ _tag: "RequestOpened", request })
  })

  const onClose = (requestId: string) => {
    if (open.delete(requestId)) events.push({ _tag: "RequestClosed", requestId })
  }

  const onZombie = (request: AskedRequest) => {
    onClose(request.id)
    left.set(request.id, request)
  }

  /** A tool that ends while its request is open was aborted. */
  const onToolEnded = Effect.fnUntraced(function* ({ callID, messageID }: ToolPart) {
    for (const request of open.values()) {
      const isItsTool = request.tool?.callID === callID && request.tool.messageID === messageID
      if (isItsTool && !(yield* isWaiting(client, request))) onZombie(request)
    }
  })

  const onEvent = (event: OpenCodeEvent): Effect.Effect<void, HostError> => {
    switch (event.type) {
      case "permission.asked":
        return onOpen({ ...event.properties, kind: "permission" })
      case "question.asked":
        return onOpen({ ...event.properties, kind: "question" })
      case "permission.replied":
      case "question.replied":
      case "question.rejected":
        return Effect.sync(() => onClose(event.properties.requestID))
      case "message.part.updated": {
        const { part } = event.properties
        return part.type === "tool" && hasEnded(part) && open.size > 0 ? onToolEnded(part) : Effect.void
      }
      default:
        return Effect.void
    }
  }

  const list = Effect.gen(function* () {
    const listed = yield* listRequests(client)
    const ids = new Set(listed.map(({ id }) => id))
    for (const id of open.keys()) if (!ids.has(id)) onClose(id)
    for (const request of listed) {
      if (!(yield* tree.includes(request.sessionID))) continue
      if (yield* isWaiting(client, request)) yield* onOpen(request)
      else onZombie(request)
    }
    isStale = false
  })

  const taken = (): ReadonlyArray<TurnEvent> => {
    const taking = events
    events = []
    return taking
  }

  const emit = (change: Effect.Effect<void, HostError>) =>
    change.pipe(
      Effect.retry(retryPolicy),
      Effect.catch((error) => {
        isStale = true
        return Effect.logDebug(error.message)
      }),
      Effect.map(taken)
    )

  return {
    /** Whether the turn waits for a person. */
    isOpen: () => open.size > 0,
    read: (event: OpenCodeEvent) => emit(onEvent(event)),
    markStale: () => {
      isStale = true
    },
    refresh: Effect.suspend(() => emit(isStale ? list : Effect.void)),
    /** At the end of the turn. */
    closeAll: (): ReadonlyArray<TurnEvent> => {
      for (const request of open.values()) left.set(request.id, request)
      for (const id of open.keys()) onClose(id)
      return taken()
    },
    /**
     * The requests that the turn left behind. From memory, because OpenCode fails to list a permission that it cannot
     * encode, such as the one of a web access without a time limit.
     */
    abandoned: (): ReadonlyArray<OpenCodeRequestRef> => [...left.values(), ...open.values()]
  }
}
