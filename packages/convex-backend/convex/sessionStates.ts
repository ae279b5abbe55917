/**
 * The state of a session that its page shows in addition to the turns: the agent's todos, the use of the context, the queue.
 */
import type { Infer } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { MAX_PAGE, MAX_TODO, MAX_TODOS } from "./limits.ts"
import { headOf, type Part } from "./payloads.ts"
import type { contextUse, todo } from "./validators.ts"

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

/** Stores the state after a turn. Fields that are absent do not change. */
export const storeState = async (
  ctx: MutationCtx,
  sessionId: Id<"sessions">,
  { context, todos }: { readonly context?: Infer<typeof contextUse>; readonly todos?: Array<Todo> }
): Promise<void> => {
  const change = { ...(context !== undefined && { context }), ...(todos !== undefined && { todos }) }
  if (Object.keys(change).length === 0) return
  const state = await stateOf(ctx, sessionId)
  if (state === null) await ctx.db.insert("sessionStates", { sessionId, todos: [], ...change })
  else await ctx.db.patch(state._id, change)
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
