/**
 * Queues the prompts of operators.
 */
import type { Infer } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { attachFiles, type FileReference, hasFiles } from "./attachments.ts"
import { ownedSession, usableWorker } from "./authorize.ts"
import { checkNames } from "./catalogNames.ts"
import { appError } from "./errors.ts"
import {
  checkBudget,
  checkName,
  checkText,
  checkTimeLimit,
  MAX_AUTOMATIC_TITLE,
  MAX_PROMPT,
  printable
} from "./limits.ts"
import { insertTurn, promptText } from "./prompts.ts"
import { placeOf } from "./turnOrder.ts"
import { checkUnused } from "./usedKeys.ts"
import type { turnBudget } from "./validators.ts"

/** The first line that is not blank. */
const titleOf = (text: string): string => {
  const line = text.trim().split("\n", 1)[0] ?? ""
  return Array.from(printable(line).trim()).slice(0, MAX_AUTOMATIC_TITLE).join("")
}

interface Prompt {
  readonly text: string
  readonly model?: string | undefined
  readonly agent?: string | undefined
  readonly variant?: string | undefined
  readonly askTimeout?: number | null | undefined
  /** The command of OpenCode that the text begins with. */
  readonly command?: string | undefined
  readonly budget?: Infer<typeof turnBudget> | undefined
  readonly files?: ReadonlyArray<FileReference>
}

/** A prompt that an operator has edited since is not compared. */
const isSame = async (
  ctx: QueryCtx,
  existing: Doc<"turns">,
  { command, files = [], text }: Prompt
): Promise<boolean> => {
  if (existing.edited === true) return true
  if (existing.command !== command) return false
  if ((existing.fileCount ?? 0) !== files.length || (await promptText(ctx, existing)) !== text) return false
  return hasFiles(ctx, existing._id, files)
}

/** The text of a command with its arguments. */
export const callOf = (command: string, args: string): string => (args === "" ? `/${command}` : `/${command} ${args}`)

const isCallOf = (command: string, text: string): boolean => text === `/${command}` || text.startsWith(`/${command} `)

/** Rejects a prompt that cannot be stored. */
export const checkPrompt = ({ agent, askTimeout, budget, command, model, text, variant }: Prompt): void => {
  checkText("text", text, MAX_PROMPT)
  for (const [field, name] of Object.entries({ agent, command, model, variant })) {
    if (name !== undefined) checkName(field, name)
  }
  if (askTimeout !== undefined) checkTimeLimit("askTimeout", askTimeout)
  if (budget !== undefined) checkBudget("budget", budget)
  if (command !== undefined && !isCallOf(command, text)) {
    throw appError("InvalidArgument", `The prompt is the command /${command}: its text must begin with that`)
  }
  // As in the catalogue: the part after the provider may contain slashes and spaces.
  if (model !== undefined && !/^[^/]+\/./.test(model)) {
    throw appError("InvalidArgument", "model is not written provider/model")
  }
}

/** Queues a prompt. See `turns.send`. */
export const enqueue = async (
  ctx: MutationCtx & { readonly operator: string },
  sessionId: Id<"sessions">,
  prompt: Prompt,
  idempotencyKey: string,
  delivery: "queue" | "steer" = "queue"
): Promise<Id<"turns">> => {
  const { agent, askTimeout, budget, command, files = [], model, text, variant } = prompt
  checkPrompt(prompt)
  checkName("idempotencyKey", idempotencyKey)
  const session = await ownedSession(ctx, sessionId)
  if (session.status === "deleting") throw appError("Conflict", "This session is being deleted: create another one")
  const existing = await ctx.db
    .query("turns")
    .withIndex("by_session_key", (q) => q.eq("sessionId", sessionId).eq("idempotencyKey", idempotencyKey))
    .unique()
  if (existing !== null) {
    if (await isSame(ctx, existing, prompt)) return existing._id
    throw appError("Conflict", "This idempotencyKey was used for another prompt: use a new one")
  }
  await checkUnused(ctx, sessionId, idempotencyKey, "prompt")
  const { _id: workerId } = await usableWorker(ctx, session.workerId)
  await checkNames(ctx, workerId, prompt)
  const turnId = await insertTurn(ctx, {
    sessionId,
    workerId,
    ownerId: ctx.operator,
    ...(await placeOf(ctx, sessionId, delivery)),
    text,
    ...(model !== undefined && { model }),
    ...(agent !== undefined && { agent }),
    ...(variant !== undefined && { variant }),
    ...(askTimeout !== undefined && { askTimeout }),
    ...(command !== undefined && { command }),
    ...(budget !== undefined && { budget }),
    ...(files.length > 0 && { fileCount: files.length }),
    status: "queued",
    finished: false,
    idempotencyKey
  })
  await attachFiles(ctx, { _id: turnId, ownerId: ctx.operator }, files)
  const title = titleOf(text)
  await ctx.db.patch(sessionId, {
    lastActivityAt: Date.now(),
    ...(session.titleSource === "default" && title !== "" && { title, titleSource: "prompt" as const })
  })
  return turnId
}
