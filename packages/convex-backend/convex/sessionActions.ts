/**
 * Actions in OpenCode on a session. Each returns a command, whose result is JSON.
 *
 * An undo takes back the files of a turn and of all later ones, and OpenCode rewrites whole files. So the worker compares
 * them first, and fails with the list if a person changed one since: `skip` leaves such a file as it is, `force` overwrites it.
 * Both name files or folders of the worker's directory, at most 200; a file in both is left.
 */
import { v } from "convex/values"
import type { Id } from "./_generated/dataModel.ts"
import type { QueryCtx } from "./_generated/server.ts"
import { auditOperator } from "./audit.ts"
import { ownedSession, ownedTurn } from "./authorize.ts"
import { operatorMutation } from "./builders.ts"
import { enqueueCommand, findCommand } from "./commands.ts"
import { appError } from "./errors.ts"
import { checkCount, checkText, MAX_CHANGED_FILES, MAX_NAME, MAX_SHELL, printable } from "./limits.ts"

const action = { sessionId: v.id("sessions"), idempotencyKey: v.string() }

const checkFiles = (field: string, files: ReadonlyArray<string>): void => {
  checkCount(field, files.length, MAX_CHANGED_FILES)
  for (const file of files) checkText(field, file, MAX_NAME)
}

/** A turn of the session that OpenCode has. */
const checkTurn = async (
  ctx: QueryCtx & { readonly operator: string },
  sessionId: Id<"sessions">,
  turnId: Id<"turns">
): Promise<void> => {
  const turn = await ownedTurn(ctx, turnId)
  if (turn.sessionId !== sessionId) throw appError("InvalidArgument", "turnId is a turn of another session")
  if (turn.messageId === undefined) throw appError("Conflict", "OpenCode has not received this prompt")
}

/**
 * Undoes a turn and all later ones in OpenCode, with the files that they changed. The result lists the files:
 * `{ files: [{ file, status, changed }], undone, truncated? }`, changed files first. `preview`: only lists them.
 */
export const undo = operatorMutation({
  args: {
    ...action,
    turnId: v.id("turns"),
    skip: v.optional(v.array(v.string())),
    force: v.optional(v.array(v.string())),
    preview: v.optional(v.boolean())
  },
  handler: async (ctx, { sessionId, turnId, skip = [], force = [], preview = false, idempotencyKey }) => {
    checkFiles("skip", skip)
    checkFiles("force", force)
    const { workerId } = await ownedSession(ctx, sessionId)
    await checkTurn(ctx, sessionId, turnId)
    return enqueueCommand(ctx, workerId, { kind: "undo", sessionId, turnId, skip, force, preview }, idempotencyKey)
  }
})

/**
 * Takes the undo of a session back, until its next prompt. OpenCode restores the whole directory as it was before the undo, so
 * this fails if files were changed since, unless `force` is set. The result:
 * `{ files: [{ file, changed }], redone, truncated? }`.
 */
export const redo = operatorMutation({
  args: { ...action, force: v.optional(v.boolean()), preview: v.optional(v.boolean()) },
  handler: async (ctx, { sessionId, force = false, preview = false, idempotencyKey }) => {
    const { workerId } = await ownedSession(ctx, sessionId)
    return enqueueCommand(ctx, workerId, { kind: "redo", sessionId, force, preview }, idempotencyKey)
  }
})

/** Copies a session, up to a turn (exclusive) or whole, into a new one. The result: `{ sessionId }` of the copy. */
export const fork = operatorMutation({
  args: { ...action, turnId: v.optional(v.id("turns")) },
  handler: async (ctx, { sessionId, turnId, idempotencyKey }) => {
    const { workerId } = await ownedSession(ctx, sessionId)
    if (turnId !== undefined) await checkTurn(ctx, sessionId, turnId)
    const what = { kind: "fork" as const, sessionId, ...(turnId !== undefined && { turnId }) }
    return enqueueCommand(ctx, workerId, what, idempotencyKey)
  }
})

/** Replaces the older part of the conversation by a summary, for the model only. */
export const compact = operatorMutation({
  args: action,
  handler: async (ctx, { sessionId, idempotencyKey }) => {
    const { workerId } = await ownedSession(ctx, sessionId)
    return enqueueCommand(ctx, workerId, { kind: "compact", sessionId }, idempotencyKey)
  }
})

/**
 * Runs a shell command on the machine of the worker, as if a person typed it in OpenCode's terminal: the model reads the
 * command and its output with the next prompt. Without approval, and outside the limits of the agent's tools, so a worker
 * refuses it unless its settings allow it; the audit has each one. The result: `{ output, truncated }`, the last 20,000
 * characters. The session has had a turn, and works on none.
 */
export const shell = operatorMutation({
  args: { ...action, line: v.string() },
  handler: async (ctx, { sessionId, line, idempotencyKey }) => {
    checkText("line", line, MAX_SHELL)
    const { workerId } = await ownedSession(ctx, sessionId)
    const what = { kind: "shell" as const, sessionId, line }
    const existing = await findCommand(ctx, idempotencyKey, what, workerId)
    if (existing !== null) return existing
    const commandId = await enqueueCommand(ctx, workerId, what, idempotencyKey)
    await auditOperator(ctx, { action: "shell", workerId, detail: printable(line).slice(0, MAX_NAME) })
    return commandId
  }
})
