/** Streamed segments as blocks. */
import type { Segment } from "../../api.ts"
import { type Block, isSame } from "./blocks.ts"
import { count, isRecord, parse, parseAny, text } from "./json.ts"
import { todosBlock, toolState } from "./tools.ts"

/** The block of a whole segment: the state of a tool, the list, or a notice. */
const whole = ({ kind, name, partId: id, text: content, until }: Segment): Block => {
  if (kind === "notice") return { kind, id, name: name ?? null, text: content, until: until ?? null }
  if (kind === "todos") return todosBlock(parseAny(content))
  const { child, duration, input, output, status, title, tool } = parse(content)
  const common = { id, state: toolState(status), output: text(output) ?? "", duration: count(duration) }
  if (isRecord(child)) {
    const { agent, sessionId, task } = child
    const started = { sessionId: text(sessionId) ?? "", agent: text(agent) ?? "", task: text(task) ?? "" }
    return { kind: "agent", ...common, ...started, progress: null }
  }
  return { kind: "tool", ...common, tool: text(tool) ?? "", title: text(title), input: text(input) ?? "", files: [] }
}

/** Of the output of a running tool, in UTF-16 code units. */
const tailLength = 4_096

const tail = (output: string): string =>
  output.length > tailLength ? output.slice(-tailLength).replace(/^[\udc00-\udfff]/, "") : output

/** Output and progress belong to a running call; later ones are void. */
const running = (before: Block | undefined, { kind, text: content }: Segment): Block | undefined => {
  if (before?.kind === "tool" && kind === "output" && before.state === "running") {
    return { ...before, output: tail(before.output + content) }
  }
  if (before?.kind !== "agent" || kind !== "progress" || before.state !== "running") return before
  const { current, tools } = parse(content)
  return { ...before, progress: { tools: count(tools) ?? 0, current: text(current) ?? "" } }
}

/** A call that still runs keeps what is known of it. */
const continued = (before: Block | undefined, block: Block): Block => {
  if (block.kind === "tool" && before?.kind === "tool" && block.state === "running") {
    return { ...block, output: before.output }
  }
  return block.kind === "agent" && before?.kind === "agent" ? { ...block, progress: before.progress } : block
}

/** Adds a streamed segment to the blocks, in place. */
export const addSegment = (blocks: Array<Block>, segment: Segment): void => {
  const at = blocks.findLastIndex(({ id }) => id === segment.partId)
  const before = blocks[at]
  if (segment.kind === "text" || segment.kind === "reasoning") {
    const begun = before !== undefined && "text" in before ? before.text : ""
    const block = { kind: segment.kind, id: segment.partId, text: begun + segment.text }
    if (at === -1) blocks.push(block)
    else blocks[at] = block
    return
  }
  if (segment.kind === "output" || segment.kind === "progress") {
    const block = running(before, segment)
    if (block !== undefined) blocks[at] = block
    return
  }
  const block = continued(before, whole(segment))
  if (before !== undefined && isSame(before, block)) return
  // A call and the list stay where they began; a notice counts from now on.
  if (at !== -1 && segment.kind !== "notice") blocks[at] = block
  else {
    if (at !== -1) blocks.splice(at, 1)
    blocks.push(block)
  }
}
