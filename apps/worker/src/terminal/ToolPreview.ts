/**
 * The progress of a tool call that operators see while the turn runs: one short JSON line, sent when the call starts and when it
 * has ended. `TurnView` of the client reads it. The final parts contain the whole call.
 */
import type { OpenCodeToolPart } from "@opencode-worker/opencode-host"
import { Option } from "effect"

export interface ToolPreview {
  readonly tool: string
  readonly status: "running" | "completed" | "error"
  readonly title: string | null
  /** The arguments as JSON. */
  readonly input: string
  /** The output, or the error. Empty while the tool runs. */
  readonly output: string
}

export const encode = (call: ToolPreview): string => JSON.stringify(call)

/** Characters of input and of output that are streamed, so that a large file is not written twice. */
const previewLength = 2000
export const preview = (text: string): string =>
  text.length > previewLength ? `${text.slice(0, previewLength).toWellFormed()}…` : text

/** The preview of a tool call that OpenCode reports, or none before its arguments are complete. */
export const ofPart = ({ state, tool }: OpenCodeToolPart): Option.Option<ToolPreview> => {
  if (state.status === "pending") return Option.none()
  const output = state.status === "completed" ? state.output : state.status === "error" ? state.error : ""
  const title = state.status === "error" ? null : (state.title ?? null)
  const input = preview(JSON.stringify(state.input))
  return Option.some({ tool, status: state.status, title, input, output: preview(output) })
}
