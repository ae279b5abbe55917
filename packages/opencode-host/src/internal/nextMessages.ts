/** The next engine's messages in the shape of the port. Pure. */
import type { SessionMessage, SessionMessageAssistant, SessionMessageAssistantTool } from "@opencode-ai/sdk/v2/client"
import type { AssistantMessage, MessageWithParts, Part, ToolPart } from "../OpenCodeClient.ts"

/** Ids of texts are unique in their message only. */
export const partId = (messageId: string, id: string) => `${messageId}:${id}`

type Content = ReadonlyArray<{ readonly type: string; readonly text?: string }>
export const outputOf = (content: Content): string => content.flatMap(({ text }) => text ?? []).join("\n")

/** What the engine says of a step that was interrupted; it has no other mark. */
const interrupted = /\binterrupted$/
const errorOf = ({ message }: { readonly message: string }): NonNullable<AssistantMessage["error"]> =>
  interrupted.test(message)
    ? { name: "MessageAbortedError", data: { message } }
    : { name: "UnknownError", data: { message } }

interface Place {
  readonly sessionID: string
  readonly directory: string
  /** The prompt that is answered. */
  readonly parentID: string
}

type Info = Pick<SessionMessageAssistant, "id" | "time" | "agent" | "model"> & Partial<SessionMessageAssistant>

export const assistantInfo = (message: Info, { directory, parentID, sessionID }: Place): AssistantMessage => ({
  id: message.id,
  sessionID,
  role: "assistant",
  time: message.time,
  parentID,
  modelID: message.model.id,
  providerID: message.model.providerID,
  mode: message.agent,
  agent: message.agent,
  path: { cwd: directory, root: directory },
  cost: message.cost ?? 0,
  tokens: message.tokens ?? { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } },
  ...(message.finish === undefined ? {} : { finish: message.finish }),
  ...(message.error === undefined ? {} : { error: errorOf(message.error) })
})

const toolPart = (tool: SessionMessageAssistantTool, sessionID: string, messageID: string): ToolPart => {
  const { state, time } = tool
  const start = time.ran ?? time.created
  const end = time.completed ?? start
  const part = { id: partId(messageID, tool.id), sessionID, messageID, type: "tool", callID: tool.id } as const
  const of = (to: ToolPart["state"]): ToolPart => ({ ...part, tool: tool.name, state: to })
  switch (state.status) {
    case "pending":
      return of({ status: "pending", input: {}, raw: state.input })
    case "running":
      return of({ status: "running", input: state.input, time: { start } })
    case "completed":
      return of({
        status: "completed",
        input: state.input,
        output: outputOf(state.content),
        title: "",
        metadata: state.structured,
        time: { start, end }
      })
    case "error":
      return of({ status: "error", input: state.input, error: state.error.message, time: { start, end } })
  }
}

const assistantParts = ({ id: messageID, content }: SessionMessageAssistant, sessionID: string): ReadonlyArray<Part> =>
  content.map((entry): Part => {
    if (entry.type === "tool") return toolPart(entry, sessionID, messageID)
    const part = { id: partId(messageID, entry.id), sessionID, messageID, text: entry.text }
    return entry.type === "text"
      ? { ...part, type: "text" }
      : { ...part, type: "reasoning", time: { start: entry.time?.created ?? 0 } }
  })

/**
 * A refused request ends the turn, and leaves its step open: only the tool says so. (A server that dies leaves the tool
 * running.)
 */
const endOfRefused = ({ content, time }: SessionMessageAssistant) => {
  const refused = content.find(
    (entry) => entry.type === "tool" && entry.state.status === "error" && interrupted.test(entry.state.error.message)
  )
  if (time.completed !== undefined || refused?.type !== "tool" || refused.state.status !== "error") return undefined
  return { time: { ...time, completed: refused.time.completed ?? time.created }, error: refused.state.error }
}

/** Undefined for what is neither a prompt nor an answer: switches of model and agent, compactions, … */
export const messageOf = (message: SessionMessage, place: Place): MessageWithParts | undefined => {
  const { sessionID } = place
  if (message.type === "assistant") {
    return {
      info: assistantInfo({ ...message, ...endOfRefused(message) }, place),
      parts: assistantParts(message, sessionID)
    }
  }
  if (message.type !== "user") return undefined
  const { id, text, time } = message
  const part: Part = { id: partId(id, "text"), sessionID, messageID: id, type: "text", text }
  return { info: { id, sessionID, role: "user", time }, parts: [part] }
}
