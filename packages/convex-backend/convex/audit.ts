/** The security audit: rows of `audit`, and their view for operators. */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx } from "./_generated/server.ts"
import type { OperatorCaller } from "./builders.ts"

type Entry = Pick<Doc<"audit">, "action" | "detail"> & { readonly workerId?: Id<"workers">; readonly ownerId?: string }

/** Records an action of the calling operator, with its device. */
export const auditOperator = async (
  { db, device, operator }: Pick<MutationCtx, "db"> & OperatorCaller,
  entry: Entry
): Promise<void> => {
  await db.insert("audit", { actorId: operator, ...(device !== null && { device }), ...entry })
}

export const toAuditView = ({ _creationTime, action, actorId, detail, device }: Doc<"audit">) => ({
  action,
  actorId,
  device: device ?? null,
  detail: detail ?? null,
  createdAt: _creationTime
})
