/**
 * OpenCode's permissions and questions, and the replies to them: opencode-host in the terms of convex-sync's broker.
 *
 * @since 0.1.0
 */
import { resolve } from "node:path"
import { MAX_ASKED_BY } from "@opencode-worker/convex-backend/limits"
import type { Asked, OpenCodePort, Reply, RequestEvent } from "@opencode-worker/convex-sync"
import {
  type HostError,
  type HostEvent,
  type MessageWithParts,
  type OpenCodeClient,
  OpenCodeHost
} from "@opencode-worker/opencode-host"
import { Effect, type FileSystem, Option, Result, Schema, Stream } from "effect"
import { editedPaths, type ToolCall } from "./opencode/AskedPermission.ts"
import { realPath } from "./opencode/RealPath.ts"
import { permissionCard, questionCard, truncate } from "./opencode/RequestCard.ts"

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

/** `missing` stands for what OpenCode does not have, or no longer has. */
const orMissing = <A, B>(call: Effect.Effect<A, HostError>, missing: B) =>
  Effect.catchReason(call, "HostError", "NotFound", () => Effect.succeed(missing))

const decodeTool = Schema.decodeUnknownOption(
  Schema.Struct({ tool: Schema.Struct({ messageID: Schema.String, callID: Schema.String }) })
)

/** The tool part that made a request, with its message; none: the request names none, or it is gone. */
const madeBy = Effect.fnUntraced(function* (client: OpenCodeClient, { request }: Asked) {
  const made = decodeTool(request)
  if (Option.isNone(made)) return Option.none()
  const { callID, messageID } = made.value.tool
  const found = yield* orMissing(Effect.asSome(client.messages.get(request.sessionID, messageID)), Option.none())
  return Option.map(found, (message) => ({
    message,
    // A provider may use the id of a call that has ended for another one.
    part: message.parts.findLast((part) => part.type === "tool" && part.callID === callID)
  }))
})

/** A request outlives the tool that made it, as a zombie that must not be rejected: only a running tool waits. */
const isWaiting = Effect.fnUntraced(function* (client: OpenCodeClient, asked: Asked) {
  if (Option.isNone(decodeTool(asked.request))) return true
  const made = yield* madeBy(client, asked)
  return Option.exists(made, ({ part }) => part?.type === "tool" && part.state.status === "running")
})

const agentOf = ({ info }: MessageWithParts): string | undefined => info.agent

/** Sessions without a task of their own are named by their newest message. */
const newestAgent = (client: OpenCodeClient, sessionId: string) =>
  Effect.map(
    client.messages.list(sessionId, { limit: 1 }),
    ({ messages }) => messages.flatMap((each) => agentOf(each) ?? [])[0]
  )

/** A sub-agent's session has its task as its title, followed by the agent's name. */
const taskOf = (title: string): string => truncate(title.replace(/ \(@[^()]* subagent\)$/, ""))

/** Root agent first. `agent`: of the call, where it is known. */
const askedBy = Effect.fnUntraced(function* (client: OpenCodeClient, sessionId: string, agent: string | undefined) {
  const path: Array<{ agent: string; task: string | null }> = []
  let id: string | undefined = sessionId
  while (id !== undefined && path.length < MAX_ASKED_BY) {
    const session: Effect.Success<ReturnType<typeof client.sessions.get>> = yield* client.sessions.get(id)
    const isChild = session.parentID !== undefined
    const named = (path.length === 0 ? agent : undefined) ?? (isChild ? session.agent : undefined)
    const name = named ?? (yield* newestAgent(client, id)) ?? session.agent ?? "agent"
    path.unshift({ agent: truncate(name), task: isChild ? taskOf(session.title) : null })
    id = session.parentID
  }
  return path
})

const callOf = ({ part }: { readonly part: MessageWithParts["parts"][number] | undefined }): ToolCall | undefined =>
  part?.type === "tool" ? { tool: part.tool, input: part.state.input } : undefined

const describe = Effect.fnUntraced(function* (
  { client, directory }: { client: OpenCodeClient; directory: string },
  asked: Asked
) {
  const made = yield* madeBy(client, asked)
  const agent = Option.getOrUndefined(Option.flatMapNullishOr(made, ({ message }) => agentOf(message)))
  const origin = { askedBy: yield* askedBy(client, asked.request.sessionID, agent) }
  if (asked.kind === "question") return questionCard(asked.request, { ...origin, directory })
  const { metadata = {}, patterns, permission } = asked.request
  const paths = permission === "edit" ? editedPaths({ metadata, patterns }) : []
  const resolved = yield* Effect.forEach(paths, (path) => realPath(resolve(directory, path)))
  const files = resolved.flatMap((path) => path ?? [])
  const call = Option.getOrUndefined(Option.flatMapNullishOr(made, callOf))
  // With a file that leads nowhere the request has no scope.
  const known = files.length === resolved.length ? files : []
  return permissionCard({ call, directory, files: known, metadata, patterns, permission }, origin)
})

const reply = (client: OpenCodeClient, id: string, answer: Reply): Effect.Effect<void, HostError> => {
  switch (answer.type) {
    case "answers":
      return client.questions.reply(id, answer.answers)
    case "dismiss":
      return client.questions.reject(id)
    case "reject":
      return client.permissions.reply(id, "reject", answer.message)
    case "once":
      return client.permissions.reply(id, "once")
  }
}

/**
 * The port over the hosted server.
 *
 * @category constructors
 * @since 0.1.0
 */
export const openCodeRequests = Effect.gen(function* () {
  const { client, directory, events } = yield* OpenCodeHost
  const context = yield* Effect.context<FileSystem.FileSystem>()
  return portOver(client, events, (asked) => Effect.provideContext(describe({ client, directory }, asked), context))
})

const portOver = (
  client: OpenCodeClient,
  events: Stream.Stream<HostEvent>,
  describing: OpenCodePort["describe"]
): OpenCodePort => ({
  describe: describing,
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
})
