/**
 * Running tools of a turn, from events: the output that each adds, and the work of the sub-agents that they start. It reads
 * no more than the events have; the record of the turn has everything.
 */
import type { Part, ToolPart } from "../../OpenCodeClient.ts"
import { childSessionId } from "../../Turn.ts"
import type { TurnEvent } from "../../TurnEvent.ts"

/** Of an output, in UTF-16 code units: as much as is compared and kept, and as much as two ends must have in common. */
const endLength = 4_096
const commonLength = 64

/** An output as it was reported last. */
export interface Reported {
  readonly length: number
  readonly end: string
}

export const reported = (output: string): Reported => ({ length: output.length, end: output.slice(-endLength) })

/**
 * The text that was added to an output. OpenCode reports all of it up to 30,000 characters, then `...` and the last 30,000.
 * Text that is missing in between is replaced by `…` and a new line.
 */
export const addedTo = (before: Reported, output: string): string => {
  if (!output.startsWith("...\n\n") || before.length === 0) return output.slice(before.length)
  const { end } = reported(output)
  for (let from = 0; from <= before.end.length - commonLength; from++) {
    const common = before.end.slice(from)
    if (end.startsWith(common)) return end.slice(common.length)
  }
  return `…\n${end}`
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined)

interface Child {
  readonly partId: string
  readonly tools: Set<string>
  current: string
}

export const liveTools = () => {
  const states = new Map<string, string>()
  /** By part. */
  const outputs = new Map<string, Reported>()
  /** By session. */
  const children = new Map<string, Child>()

  const outputOf = (part: ToolPart): ReadonlyArray<TurnEvent> => {
    const output = part.state.status === "running" ? textOf(part.state.metadata?.["output"]) : undefined
    if (output === undefined) {
      if (part.state.status !== "running") outputs.delete(part.id)
      return []
    }
    const text = addedTo(outputs.get(part.id) ?? reported(""), output)
    outputs.set(part.id, reported(output))
    return text === "" ? [] : [{ _tag: "ToolOutput", partId: part.id, text }]
  }

  /** Changes of a tool call of the turn. Output that grows is no change of the state. */
  const read = (part: ToolPart): ReadonlyArray<TurnEvent> => {
    const child = childSessionId(part)
    if (child !== undefined && !children.has(child)) {
      children.set(child, { partId: part.id, tools: new Set(), current: "" })
    }
    const running = part.state.status === "running" ? ` ${part.state.title ?? ""} ${child ?? ""}` : ""
    const state = `${part.state.status}${running}`
    const updated: ReadonlyArray<TurnEvent> = states.get(part.id) === state ? [] : [{ _tag: "ToolUpdated", part }]
    states.set(part.id, state)
    return [...updated, ...outputOf(part)]
  }

  /** Tool calls of sub-agents. */
  const readChild = (part: Part): ReadonlyArray<TurnEvent> => {
    const child = children.get(part.sessionID)
    if (child === undefined || part.type !== "tool" || part.state.status === "pending") return []
    const title = "title" in part.state ? (part.state.title ?? "") : ""
    const current = `${part.tool} ${title}`.trim()
    if (child.tools.has(part.id) && child.current === current) return []
    child.tools.add(part.id)
    child.current = current
    return [
      { _tag: "SubAgentUpdated", partId: child.partId, sessionId: part.sessionID, tools: child.tools.size, current }
    ]
  }

  return { read, readChild }
}
