/**
 * The prefix of a shell command that makes OpenCode ask for it. The plugin adds it, and it is removed where a command leaves
 * this package. A command gets it once; of one that a model writes with it, no more than one is taken off, which changes
 * nothing of what the command does.
 */
import type { MessageWithParts, OpenCodeEvent, Part, PermissionRequest } from "../../OpenCodeClient.ts"

/** A simple command, which OpenCode's parser finds whatever follows, that does nothing in any shell. */
export const mark = "true opencode-host; "
const markCommand = mark.slice(0, -2)

const plain = (text: string) => (text.startsWith(mark) ? text.slice(mark.length) : text)

/** With the command as the model wrote it, in its input and title. */
const unmarkedPart = (part: Part): Part => {
  if (part.type !== "tool" || part.tool !== "bash") return part
  const { state } = part
  const { command } = state.input
  const input = typeof command === "string" ? { ...state.input, command: plain(command) } : state.input
  if ((state.status === "running" || state.status === "completed") && state.title !== undefined) {
    return { ...part, state: { ...state, input, title: plain(state.title) } as typeof state }
  }
  return { ...part, state: { ...state, input } }
}

export const unmarkedMessage = <Message extends MessageWithParts>(message: Message): Message => ({
  ...message,
  parts: message.parts.map(unmarkedPart)
})

/**
 * A request for a marked command shows the command that it is for, and has no `always`: OpenCode's patterns cover parts of a
 * command, and this one is asked each time.
 */
export const unmarkedRequest = (request: PermissionRequest): PermissionRequest => {
  const { command } = request.metadata
  if (typeof command !== "string" || !command.startsWith(mark)) return request
  const metadata = { ...request.metadata, command: plain(command) }
  if (request.permission !== "bash") return { ...request, metadata }
  const patterns = request.patterns.filter((pattern) => pattern !== markCommand)
  return { ...request, metadata, patterns: patterns.length === 0 ? [plain(command)] : patterns, always: [] }
}

export const unmarkedEvent = (event: OpenCodeEvent): OpenCodeEvent => {
  if (event.type === "permission.asked") return { ...event, properties: unmarkedRequest(event.properties) }
  if (event.type !== "message.part.updated") return event
  return { ...event, properties: { ...event.properties, part: unmarkedPart(event.properties.part) } }
}
