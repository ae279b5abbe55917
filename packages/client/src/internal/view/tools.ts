/** The fields that streamed and final tool calls share. */
import type { TodosBlock, ToolBlock } from "./blocks.ts"
import { record, text } from "./json.ts"

export const toolState = (status: unknown): ToolBlock["state"] =>
  status === "completed" || status === "error" ? status : "running"

export const todosBlock = (items: unknown): TodosBlock => ({
  kind: "todos",
  id: "todos",
  todos: (Array.isArray(items) ? items : []).map((item: unknown) => {
    const { content, priority, status } = record(item)
    return { content: text(content) ?? "", status: text(status) ?? "", priority: text(priority) ?? "" }
  })
})
