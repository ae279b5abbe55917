/** The rows above the prompt of a chat: unwritten text, todos, queued prompts, and the state. Pure. */
import type { QueuedPrompt, TurnView, Worker } from "@opencode-worker/client"
import { fitted } from "../../terminal/input/draftView.ts"
import { type ScreenText, screen } from "../../terminal/output/ScreenText.ts"
import type { Style } from "../../terminal/output/Style.ts"
import { age } from "../age.ts"

interface Progress {
  readonly view: TurnView.TurnView
  /** The end of the answer that is not written yet. */
  readonly pending: string
  /** Milliseconds since 1970. */
  readonly since: number
}

export interface ChatState {
  readonly style: Style
  /** The turn that runs. */
  readonly running: Progress | undefined
  readonly queued: ReadonlyArray<QueuedPrompt>
  readonly worker: Pick<Worker, "machine" | "online" | "phase"> | undefined
  readonly isConnected: boolean
  readonly model: string | undefined
  readonly agent: string | undefined
  /** Files for the next prompt. */
  readonly attached: ReadonlyArray<string>
  /** Commands that the typed text may become. */
  readonly hints: ReadonlyArray<{ readonly name: string; readonly description: string }>
  /** Milliseconds since 1970. */
  readonly now: number
}

const mostPending = 6
const mostTodos = 5
const mostQueued = 3
const mostHints = 6

const marks: Readonly<Record<string, string>> = { completed: "[x]", in_progress: "[>]", cancelled: "[-]" }

type Todo = TurnView.TodosBlock["todos"][number]

/** The todos around the one in progress. */
const someOf = (todos: ReadonlyArray<Todo>): ReadonlyArray<Todo> => {
  const current = todos.findIndex(({ status }) => status === "in_progress" || status === "pending")
  const from = Math.max(0, Math.min(current - 1, todos.length - mostTodos))
  return todos.slice(from, from + mostTodos)
}

const activity = (view: TurnView.TurnView): string => {
  const last = view.blocks.findLast(({ kind }) => kind !== "todos")
  if (last?.kind === "request") return "waits for your answer"
  if (last?.kind === "notice") return last.text
  if (last?.kind === "agent" && last.state === "running") return `${last.agent}: ${last.progress?.current ?? last.task}`
  if (last?.kind === "tool" && last.state === "running") return `${last.tool} ${last.title ?? ""}`.trimEnd()
  return last?.kind === "text" ? "writing" : "working"
}

const where = ({ isConnected, worker }: ChatState): string | undefined => {
  if (!isConnected) return "no connection to the deployment, trying again"
  if (worker !== undefined && !worker.online) return `${worker.machine} is offline; prompts wait for it`
  return worker?.phase === "paused" ? `${worker.machine} is paused; prompts wait` : undefined
}

/** Each row fits into `columns`. */
export const rowsOf = (state: ChatState, columns: number): ReadonlyArray<ScreenText> => {
  const { agent, attached, hints, model, now, queued, running, style } = state
  const width = Math.max(20, columns - 1)
  const row = (text: string) => screen`${fitted(text, width)}`
  const faint = (text: string) => style.faint(row(text))
  const pending = running?.pending.trimEnd() ?? ""
  const rows: Array<ScreenText> = []
  if (pending !== "") {
    const lines = pending
      .split("\n")
      .flatMap((line) => line.match(new RegExp(`.{1,${Math.max(10, width - 4)}}`, "gu")) ?? [""])
    rows.push(...lines.slice(-mostPending).map(row))
  }
  const todos = running?.view.blocks.find((block) => block.kind === "todos")
  if (todos?.kind === "todos") {
    rows.push(...someOf(todos.todos).map(({ content, status }) => faint(`  ${marks[status] ?? "[ ]"} ${content}`)))
  }
  rows.push(...queued.slice(0, mostQueued).map(({ head }) => faint(`  queued: ${head}`)))
  if (queued.length > mostQueued) rows.push(faint(`  and ${queued.length - mostQueued} more`))
  if (attached.length > 0) rows.push(faint(`  attached: ${attached.join(", ")}`))
  rows.push(...hints.slice(0, mostHints).map(({ description, name }) => faint(`  ${name.padEnd(12)} ${description}`)))
  const chosen = [model, agent].filter((each) => each !== undefined)
  const doing = running === undefined ? undefined : `${activity(running.view)} ${age(now - running.since)} · Esc stops`
  const parts = [doing, where(state), ...chosen].filter((each) => each !== undefined)
  if (parts.length > 0) rows.push(faint(parts.join(" · ")))
  return rows
}
