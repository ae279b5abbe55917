/**
 * Files of turns in Convex storage, for all callers.
 *
 * An upload has no row until a turn refers to it. Its content type in the storage carries a mark, because an app may store
 * files of its own next to them: only marked files can be attached and are swept.
 */
import { type Infer, v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { appError } from "./errors.ts"
import {
  checkCount,
  checkName,
  checkText,
  isMediaType,
  MAX_AGENT_FILES,
  MAX_FILE,
  MAX_FILE_NAME,
  MAX_FILES,
  MAX_FILES_TOTAL,
  MAX_OWNER_FILES
} from "./limits.ts"

/** An uploaded file. `type`: a media type without parameters. */
export const fileReference = v.object({ storageId: v.id("_storage"), name: v.string(), type: v.string() })
export type FileReference = Infer<typeof fileReference>

type Turn = Pick<Doc<"turns">, "_id" | "ownerId">
type Origin = Doc<"files">["origin"]

const mark = "opencode-worker=1"

/** The `Content-Type` of an upload. */
export const contentTypeOf = (type: string): string => `${type}; ${mark}`

export const isMarked = (contentType: string | undefined): boolean => contentType?.endsWith(`; ${mark}`) === true

export const checkType = (field: string, type: string): void => {
  checkText(field, type, MAX_FILE_NAME)
  if (!isMediaType(type)) {
    throw appError(
      "InvalidArgument",
      `${field} is not a media type in lower case and without parameters, such as image/png`
    )
  }
}

const checkReferences = (files: ReadonlyArray<FileReference>, max: number): void => {
  checkCount("files", files.length, max)
  for (const { name, type } of files) {
    checkName("files.name", name, MAX_FILE_NAME)
    checkType("files.type", type)
  }
}

const usageOf = (ctx: QueryCtx, ownerId: string) =>
  ctx.db
    .query("fileUsage")
    .withIndex("by_owner", (q) => q.eq("ownerId", ownerId))
    .unique()

/** Whether the owner can store this many more bytes. */
export const hasRoom = async (ctx: QueryCtx, ownerId: string, bytes: number): Promise<boolean> =>
  ((await usageOf(ctx, ownerId))?.bytes ?? 0) + bytes <= MAX_OWNER_FILES

const changeUsage = async (ctx: MutationCtx, ownerId: string, change: number): Promise<void> => {
  if (change === 0) return
  const usage = await usageOf(ctx, ownerId)
  if (usage === null) await ctx.db.insert("fileUsage", { ownerId, bytes: Math.max(0, change) })
  else await ctx.db.patch(usage._id, { bytes: Math.max(0, usage.bytes + change) })
}

const firstRowOf = (ctx: QueryCtx, storageId: Id<"_storage">) =>
  ctx.db
    .query("files")
    .withIndex("by_storage", (q) => q.eq("storageId", storageId))
    .first()

/** Null if there is no such file, or it is not the owner's. `isNew`: no turn refers to it. */
const find = async (ctx: QueryCtx, ownerId: string, storageId: Id<"_storage">) => {
  const stored = await ctx.db.system.get(storageId)
  const row = await firstRowOf(ctx, storageId)
  const isOwn = row === null ? isMarked(stored?.contentType) : row.ownerId === ownerId
  return stored === null || !isOwn ? null : { size: stored.size, isNew: row === null }
}

export const megabytes = (bytes: number): string => `${Number((bytes / 1024 ** 2).toFixed(1))} MiB`

export const checkSize = (name: string, size: number): void => {
  if (size <= MAX_FILE) return
  throw appError("InvalidArgument", `${name} has ${megabytes(size)}; a file takes at most ${megabytes(MAX_FILE)}`)
}

export const checkRoom = async (ctx: QueryCtx, ownerId: string, bytes: number): Promise<void> => {
  if (await hasRoom(ctx, ownerId, bytes)) return
  throw appError(
    "InvalidArgument",
    `Your stored files would have more than ${megabytes(MAX_OWNER_FILES)}: delete sessions with files first`
  )
}

const insert = async (
  ctx: MutationCtx,
  { _id: turnId, ownerId }: Turn,
  origin: Origin,
  files: ReadonlyArray<FileReference & { readonly size: number }>
): Promise<void> => {
  for (const { name, size, storageId, type } of files) {
    await ctx.db.insert("files", { ownerId, turnId, storageId, origin, name, type, size })
  }
}

/** Attaches uploaded files to a prompt. Rejects all of them if one is missing or a limit is exceeded. */
export const attachFiles = async (
  ctx: MutationCtx,
  turn: Turn,
  references: ReadonlyArray<FileReference>
): Promise<void> => {
  checkReferences(references, MAX_FILES)
  const files: Array<FileReference & { readonly size: number }> = []
  const added = new Map<string, number>()
  for (const reference of references) {
    const found = await find(ctx, turn.ownerId, reference.storageId)
    if (found === null) throw appError("NotFound", `There is no upload of ${reference.name}: upload it again`)
    checkSize(reference.name, found.size)
    if (found.isNew) added.set(reference.storageId, found.size)
    files.push({ ...reference, size: found.size })
  }
  const total = files.reduce((sum, { size }) => sum + size, 0)
  if (total > MAX_FILES_TOTAL) {
    throw appError(
      "InvalidArgument",
      `files have ${megabytes(total)} together; a prompt takes at most ${megabytes(MAX_FILES_TOTAL)}`
    )
  }
  const change = [...added.values()].reduce((sum, size) => sum + size, 0)
  await checkRoom(ctx, turn.ownerId, change)
  await insert(ctx, turn, "operator", files)
  await changeUsage(ctx, turn.ownerId, change)
}

/**
 * Stores the files that the agent produced. A file that is missing or exceeds a limit is left out: it must not prevent the
 * end of the turn.
 */
export const keepAgentFiles = async (
  ctx: MutationCtx,
  turn: Turn,
  references: ReadonlyArray<FileReference>
): Promise<void> => {
  checkReferences(references, MAX_AGENT_FILES)
  for (const reference of references) {
    const found = await find(ctx, turn.ownerId, reference.storageId)
    if (found === null || found.size > MAX_FILE) continue
    const change = found.isNew ? found.size : 0
    if (!(await hasRoom(ctx, turn.ownerId, change))) continue
    await insert(ctx, turn, "agent", [{ ...reference, size: found.size }])
    await changeUsage(ctx, turn.ownerId, change)
  }
}

export const filesOf = (ctx: QueryCtx, turnId: Id<"turns">, origin: Origin): Promise<Array<Doc<"files">>> =>
  ctx.db
    .query("files")
    .withIndex("by_turn", (q) => q.eq("turnId", turnId).eq("origin", origin))
    .take(Math.max(MAX_FILES, MAX_AGENT_FILES))

/** The attached files of a prompt, to attach them to another one. */
export const referencesOf = async (ctx: QueryCtx, turnId: Id<"turns">): Promise<Array<FileReference>> =>
  (await filesOf(ctx, turnId, "operator")).map(({ name, storageId, type }) => ({ storageId, name, type }))

/** Whether a turn has these files. A repeated call may have uploaded the same content again. */
export const hasFiles = async (
  ctx: QueryCtx,
  turnId: Id<"turns">,
  files: ReadonlyArray<FileReference>
): Promise<boolean> => {
  const contentOf = async (storageId: Id<"_storage">) => (await ctx.db.system.get(storageId))?.sha256
  const attached = await referencesOf(ctx, turnId)
  const same = attached.map(async (one, index) => {
    const other = files[index]
    if (one.name !== other?.name || one.type !== other.type) return false
    return one.storageId === other.storageId || (await contentOf(one.storageId)) === (await contentOf(other.storageId))
  })
  return attached.length === files.length && (await Promise.all(same)).every((is) => is)
}

/** Deletes at most `limit` files of a turn. Returns how many. */
export const deleteFiles = async (ctx: MutationCtx, turnId: Id<"turns">, limit: number): Promise<number> => {
  const rows = await ctx.db
    .query("files")
    .withIndex("by_turn", (q) => q.eq("turnId", turnId))
    .take(limit)
  for (const { _id, ownerId, size, storageId } of rows) {
    await ctx.db.delete(_id)
    if ((await firstRowOf(ctx, storageId)) !== null) continue
    if ((await ctx.db.system.get(storageId)) !== null) await ctx.storage.delete(storageId)
    await changeUsage(ctx, ownerId, -size)
  }
  return rows.length
}

/** Whether a turn refers to this stored file. */
export const isUsed = async (ctx: QueryCtx, storageId: Id<"_storage">): Promise<boolean> =>
  (await firstRowOf(ctx, storageId)) !== null
