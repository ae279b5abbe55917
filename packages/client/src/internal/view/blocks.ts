/** The blocks of a view. Plain data. */
import type { FileId, PendingRequest } from "../../api.ts"

export interface TextBlock {
  readonly kind: "text" | "reasoning"
  readonly id: string
  readonly text: string
}

/** A file that the agent produced. `files.list` of its turn has the URL of each stored file. */
export interface BlockFile {
  readonly name: string
  /** The media type, such as `image/png`. */
  readonly type: string
  /** Null: the file was not stored, because it exceeds a limit. */
  readonly storageId: FileId | null
}

export interface FileBlock {
  readonly kind: "file"
  readonly id: string
  readonly file: BlockFile
}

/**
 * A tool call. While the turn runs, `input` and `output` may be truncated. The output of a running call is its end, at most
 * 4,096 characters, and empty while no client watches.
 */
export interface ToolBlock {
  readonly kind: "tool"
  readonly id: string
  readonly tool: string
  readonly title: string | null
  readonly state: "running" | "completed" | "error"
  /** The arguments as JSON. */
  readonly input: string
  /** The output, or the error. */
  readonly output: string
  /** Milliseconds; null while the tool runs. */
  readonly duration: number | null
  /** Files that the tool returned, such as an image that it has read. Empty while it runs. */
  readonly files: ReadonlyArray<BlockFile>
}

/** A tool call that started a sub-agent. */
export interface SubAgentBlock {
  readonly kind: "agent"
  readonly id: string
  /** OpenCode's session of the sub-agent. */
  readonly sessionId: string
  readonly agent: string
  readonly task: string
  readonly state: ToolBlock["state"]
  /** Its tool calls so far, and the newest of them. Null while they are not known, and in the final view. */
  readonly progress: { readonly tools: number; readonly current: string } | null
  /** Its answer, or the error. */
  readonly output: string
  readonly duration: number | null
}

/** The agent's list as it is now. */
export interface TodosBlock {
  readonly kind: "todos"
  readonly id: "todos"
  readonly todos: ReadonlyArray<Todo>
}

export interface Todo {
  readonly content: string
  /** `pending`, `in_progress`, `completed` or `cancelled`. */
  readonly status: string
  /** `high`, `medium` or `low`. */
  readonly priority: string
}

/** A sentence about the turn. As the last block of a running turn it says what the turn waits for. */
export interface NoticeBlock {
  readonly kind: "notice"
  readonly id: string
  /** `Retry`, `Starting`, `Compacting`, `Compacted`, `OutputLimit` or `EmptyAnswer`; null for others. */
  readonly name: string | null
  readonly text: string
  /** The time until which the turn waits, in milliseconds since 1970. */
  readonly until: number | null
}

/** A permission or a question that waits for an answer. */
export interface RequestBlock {
  readonly kind: "request"
  readonly id: PendingRequest["requestId"]
  readonly request: PendingRequest
}

/** A final part of another kind, as OpenCode stores it. */
export interface OtherBlock {
  readonly kind: "other"
  readonly id: string
  readonly type: string
  readonly part: Readonly<Record<string, unknown>>
}

export type Block =
  | TextBlock
  | ToolBlock
  | SubAgentBlock
  | FileBlock
  | TodosBlock
  | NoticeBlock
  | RequestBlock
  | OtherBlock

/** Blocks are plain data: equal fields mean equal blocks. */
export const isSame = (one: Block, other: Block): boolean => JSON.stringify(one) === JSON.stringify(other)
