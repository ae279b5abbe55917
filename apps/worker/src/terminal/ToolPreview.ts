/**
 * What a watcher sees of a tool call while the turn runs: one short JSON line, sent when the call starts and when it has ended.
 * The whole call is in the turn's final parts.
 */
import type { OpenCodeToolPart } from "@opencode-worker/opencode-host"
import { Option, Schema } from "effect"

export const ToolSegment = Schema.Struct({
  tool: Schema.String,
  status: Schema.Literals(["running", "completed", "error"]),
  /** The arguments as JSON. */
  input: Schema.String,
  /** What the tool gave, or why it failed. Empty while it runs. */
  output: Schema.String
})
export type ToolSegment = typeof ToolSegment.Type

const codec = Schema.fromJsonString(ToolSegment)
export const encode = (segment: ToolSegment): string => Schema.encodeSync(codec)(segment)
export const decode = Schema.decodeUnknownOption(codec)

/** Characters of input and of output that are streamed: a preview, so that a large file is not written twice. */
const previewLength = 2000
export const preview = (text: string): string =>
  text.length > previewLength ? `${text.slice(0, previewLength)}…` : text

/** The line for a tool call as OpenCode reports it; nothing before its arguments are complete. */
export const ofPart = ({ state, tool }: OpenCodeToolPart): Option.Option<ToolSegment> => {
  if (state.status === "pending") return Option.none()
  const output = state.status === "completed" ? state.output : state.status === "error" ? state.error : ""
  return Option.some({
    tool,
    status: state.status,
    input: preview(JSON.stringify(state.input)),
    output: preview(output)
  })
}
