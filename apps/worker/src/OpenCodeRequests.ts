/**
 * What OpenCode asks, and the way an answer goes to it: opencode-host in the terms of convex-sync's broker.
 *
 * @since 0.1.0
 */
import type { Answer, Asked, OpenCodePort, RequestEvent } from "@opencode-worker/convex-sync"
import { type HostError, type HostEvent, type OpenCodeClient, OpenCodeHost } from "@opencode-worker/opencode-host"
import { Effect, Option, Result, Schema, Stream } from "effect"

const requestEvent = (element: HostEvent): Result.Result<RequestEvent, undefined> => {
  if (element._tag === "Gap") return Result.succeed({ _tag: "Gap" })
  const { event } = element
  switch (event.type) {
    case "permission.asked":
      return Result.succeed({ _tag: "Asked", asked: { kind: "permission", request: event.properties } })
    case "question.asked":
      return Result.succeed({ _tag: "Asked", asked: { kind: "question", request: event.properties } })
    case "permission.replied":
    case "question.replied":
    case "question.rejected":
      return Result.succeed({ _tag: "Replied", id: event.properties.requestID })
    default:
      return Result.fail(undefined)
  }
}

/** What OpenCode does not have (any more) is an answer, too. */
const orMissing = <A, B>(call: Effect.Effect<A, HostError>, missing: B) =>
  Effect.catchReason(call, "HostError", "NotFound", () => Effect.succeed(missing))

const decodeTool = Schema.decodeUnknownOption(
  Schema.Struct({ tool: Schema.Struct({ messageID: Schema.String, callID: Schema.String }) })
)

/** A request outlives the tool that made it, as a zombie that must not be rejected: only a running tool waits. */
const isWaiting = Effect.fnUntraced(function* (client: OpenCodeClient, { request }: Asked) {
  const made = decodeTool(request)
  if (Option.isNone(made)) return true
  const { callID, messageID } = made.value.tool
  const message = yield* orMissing(Effect.asSome(client.messages.get(request.sessionID, messageID)), Option.none())
  return Option.exists(message, ({ parts }) =>
    parts.some((part) => part.type === "tool" && part.callID === callID && part.state.status === "running")
  )
})

const reply = (client: OpenCodeClient, id: string, answer: Answer): Effect.Effect<void, HostError> => {
  switch (answer.type) {
    case "answers":
      return client.questions.reply(id, answer.answers)
    case "dismiss":
      return client.questions.reject(id)
    case "reject":
      return client.permissions.reply(id, "reject", answer.message)
    default:
      return client.permissions.reply(id, answer.type)
  }
}

/**
 * The port over the hosted server.
 *
 * @category constructors
 * @since 0.1.0
 */
export const openCodeRequests = Effect.map(OpenCodeHost, ({ client, events }): OpenCodePort => ({
  events: Stream.filterMap(events, requestEvent),
  pending: Effect.zipWith(client.permissions.list, client.questions.list, (permissions, questions) => [
    ...permissions.map((request): Asked => ({ kind: "permission", request })),
    ...questions.map((request): Asked => ({ kind: "question", request }))
  ]),
  parentOf: (sessionId) =>
    orMissing(
      Effect.map(client.sessions.get(sessionId), ({ parentID }) => parentID),
      undefined
    ),
  isWaiting: (asked) => isWaiting(client, asked),
  answer: ({ request }, answer) => orMissing(Effect.as(reply(client, request.id, answer), true), false)
}))
