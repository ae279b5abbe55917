/** Reads which agent and which tool call made a request. */
import type { PermissionRequest, QuestionRequest } from "@opencode-ai/sdk/v2/client"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { HostError } from "../../HostError.ts"
import type { MessageWithParts, OpenCodeClient, Session, ToolPart } from "../../OpenCodeClient.ts"
import type { OpenCodeRequest, RequestingAgent } from "../../OpenCodeRequest.ts"

/** A request as OpenCode reports it. */
export type AskedRequest =
  | ({ readonly kind: "permission" } & PermissionRequest)
  | ({ readonly kind: "question" } & QuestionRequest)

/** OpenCode may run a tool before it stores the tool's input. */
const whilePending = Schedule.spaced("20 millis").pipe(Schedule.upTo({ times: 20 }))

/** The tool part of a call with its message; undefined if OpenCode no longer has the message. */
export const requestingPart = (
  client: OpenCodeClient,
  sessionId: string,
  { callID, messageID }: NonNullable<AskedRequest["tool"]>
): Effect.Effect<{ readonly message: MessageWithParts; readonly part: ToolPart | undefined } | undefined, HostError> =>
  client.messages.get(sessionId, messageID).pipe(
    Effect.map((message) => ({
      message,
      // A provider may give a call the id of an earlier one.
      part: message.parts.findLast((part): part is ToolPart => part.type === "tool" && part.callID === callID)
    })),
    Effect.catchReason("HostError", "NotFound", () => Effect.undefined)
  )

/** A session without a task is named by its newest message. */
const newestAgent = (client: OpenCodeClient, sessionId: string) =>
  Effect.map(client.messages.list(sessionId, { limit: 1 }), ({ messages }) => messages.at(-1)?.info.agent)

/** The title of a sub-agent's session is its task, followed by the agent's name. */
const taskOf = (title: string): string => title.replace(/ \(@[^()]* subagent\)$/, "")

/** `agent`: that of the message which made the request, where it is known. */
const agentPath = Effect.fnUntraced(function* (client: OpenCodeClient, sessionId: string, agent: string | undefined) {
  const path: Array<RequestingAgent> = []
  for (let id: string | undefined = sessionId; id !== undefined;) {
    const session: Session = yield* client.sessions.get(id)
    const isChild = session.parentID !== undefined
    const named: string | undefined = (path.length === 0 ? agent : undefined) ?? (isChild ? session.agent : undefined)
    const name: string = named ?? (yield* newestAgent(client, id)) ?? session.agent ?? "agent"
    path.unshift({ sessionId: id, agent: name, task: isChild ? taskOf(session.title) : undefined })
    id = session.parentID
  }
  return path
})

export const readOrigin = Effect.fnUntraced(function* (
  client: OpenCodeClient,
  { sessionID, tool }: AskedRequest
): Effect.fn.Return<Pick<OpenCodeRequest, "askedBy" | "call">, HostError> {
  const made =
    tool === undefined
      ? undefined
      : yield* Effect.repeat(requestingPart(client, sessionID, tool), {
          while: (found) => found?.part?.state.status === "pending",
          schedule: whilePending
        })
  const askedBy = yield* agentPath(client, sessionID, made?.message.info.agent)
  const part = made?.part
  return { askedBy, call: part && { tool: part.tool, input: part.state.input } }
})
