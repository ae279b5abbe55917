/** Final parts as blocks. */
import type { FileId, FinalPart } from "../../api.ts"
import type { Block, BlockFile } from "./blocks.ts"
import { parse, record, text } from "./json.ts"
import { todosBlock, toolState } from "./tools.ts"

const stored = "storage:"

/** A file of OpenCode, whose content is in the storage. */
const fileOf = (given: unknown): BlockFile => {
  const { filename, mime, url } = record(given)
  const address = text(url) ?? ""
  return {
    name: text(filename) ?? "file",
    type: text(mime) ?? "application/octet-stream",
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the worker wrote the id of the stored file
    storageId: address.startsWith(stored) ? (address.slice(stored.length) as FileId) : null
  }
}

/** The block of one final part. */
export const partBlock = ({ index, kind, payload }: FinalPart): Block => {
  const part = parse(payload)
  const id = text(part["id"]) ?? String(index)
  if (kind === "text" || kind === "reasoning") return { kind, id, text: text(part["text"]) ?? "" }
  if (kind === "notice") return { kind, id, name: text(part["name"]), text: text(part["text"]) ?? "", until: null }
  if (kind === "file") return { kind, id, file: fileOf(part) }
  if (kind !== "tool") return { kind: "other", id, type: kind, part }
  const { attachments, error, input, metadata, output, status, time, title } = record(part["state"])
  const { end, start } = record(time)
  const duration = typeof end === "number" && typeof start === "number" ? end - start : null
  const common = { id, state: toolState(status), output: text(output) ?? text(error) ?? "", duration }
  const sessionId = text(record(metadata)["sessionId"])
  if (sessionId !== null) {
    const { description, subagent_type: agent } = record(input)
    const started = { sessionId, agent: text(agent) ?? "", task: text(description) ?? "" }
    return { kind: "agent", ...common, ...started, progress: null }
  }
  const files = Array.isArray(attachments) ? attachments.map(fileOf) : []
  const called = { tool: text(part["tool"]) ?? "", title: text(title), input: JSON.stringify(input ?? {}) }
  return { kind, ...common, ...called, files }
}

/** The list of the last `todowrite`, directly after that call. */
export const withTodos = (blocks: ReadonlyArray<Block>): ReadonlyArray<Block> => {
  const at = blocks.findLastIndex(
    (block) => block.kind === "tool" && block.tool === "todowrite" && block.state === "completed"
  )
  const call = blocks[at]
  if (call?.kind !== "tool") return blocks
  return blocks.toSpliced(at + 1, 0, todosBlock(parse(call.input)["todos"]))
}
