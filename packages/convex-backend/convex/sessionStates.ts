/**
 * The state of a session that its page shows in addition to the turns: the agent's todos, the use of the context, the queue.
 */
import type { Infer } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { MAX_PAGE, MAX_TODO, MAX_TODOS } from "./limits.ts"
import { headOf, type Part } from "./payloads.ts"
import type { changeTotals, contextUse, fileChange, todo } from "./validators.ts"

type Todo = Infer<typeof todo>

const stateOf = (ctx: QueryCtx, sessionId: Id<"sessions">): Promise<Doc<"sessionStates"> | null> =>
  ctx.db
    .query("sessionStates")
    .withIndex("by_session", (q) => q.eq("sessionId", sessionId))
    .unique()

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined

/** Stored text must be well-formed. */
const text = (value: unknown): string =>
  typeof value === "string" ? headOf(value, MAX_TODO).replaceAll(/\p{Surrogate}/gu, "\ufffd") : ""

/** The list of the last call of OpenCode's `todowrite` among the parts of a turn, or undefined. Pure. */
export const todosOf = (parts: ReadonlyArray<Part>): Array<Todo> | undefined => {
  for (const { kind, payload } of parts.toReversed()) {
    if (kind !== "tool" || !payload.includes('"todowrite"')) continue
    const part: unknown = JSON.parse(payload)
    const state = field(part, "state")
    const todos = field(field(state, "input"), "todos")
    if (field(part, "tool") !== "todowrite" || field(state, "status") !== "completed" || !Array.isArray(todos)) continue
    return todos.slice(0, MAX_TODOS).map((item: unknown) => ({
      content: text(field(item, "content")),
      status: text(field(item, "status")),
      priority: text(field(item, "priority"))
    }))
  }
  return undefined
}

const totalsOf = (files: ReadonlyArray<Infer<typeof fileChange>>): Infer<typeof changeTotals> => ({
  files: files.length,
  additions: files.reduce((sum, { additions }) => sum + additions, 0),
  deletions: files.reduce((sum, { deletions }) => sum + deletions, 0)
})

/** Stores the state after a turn. `context` and `todos` that are absent do not change. */
export const storeState = async (
  ctx: MutationCtx,
  sessionId: Id<"sessions">,
  {
    context,
    files,
    todos
  }: {
    readonly context: Infer<typeof contextUse> | undefined
    readonly files: ReadonlyArray<Infer<typeof fileChange>> | undefined
    readonly todos: Array<Todo> | undefined
  }
): Promise<void> => {
  const change = {
    ...(context !== undefined && { context }),
    ...(todos !== undefined && { todos }),
    ...(files !== undefined && { changes: totalsOf(files) })
  }
  const state = await stateOf(ctx, sessionId)
  const isNone = Object.keys(change).length === 0
  if (state !== null && (!isNone || state.changes !== undefined)) {
    await ctx.db.patch(state._id, { changes: undefined, ...change })
  }
  if (state === null && !isNone) await ctx.db.insert("sessionStates", { sessionId, todos: [], ...change })
}

export const deleteState = async (ctx: MutationCtx, sessionId: Id<"sessions">): Promise<void> => {
  const state = await stateOf(ctx, sessionId)
  if (state !== null) await ctx.db.delete(state._id)
}

export const readState = async (ctx: QueryCtx, sessionId: Id<"sessions">) => {
  const state = await stateOf(ctx, sessionId)
  const unfinished = await ctx.db
    .query("turns")
    .withIndex("by_session_finished", (q) => q.eq("sessionId", sessionId).eq("finished", false))
    .take(MAX_PAGE)
  return {
    /** The agent's list at the end of its last turn. */
    todos: state?.todos ?? [],
    /** Of the last step. Null before the first answer. */
    context: state?.context ?? null,
    /** Of the last turn; `changes.get` has the files. Null if it changed none. */
    changes: state?.changes ?? null,
    /** The unfinished turns in their order, at most 20; the first one runs, or is the next to run. */
    queue: unfinished.map(({ _creationTime, _id, head, length, seq, status }) => ({
      turnId: _id,
      seq,
      status,
      head,
      length,
      createdAt: _creationTime
    }))
  }
}
