/** The errors of this package are those of the Convex client that it uses. */
import type { ConvexClientError } from "@opencode-worker/effect-convex"

export {
  ConvexClientError as ConvexSyncError,
  ConvexClientReason as ConvexSyncReason,
  isConvexClientError as isConvexSyncError,
  isTransient
} from "@opencode-worker/effect-convex"

const losses: ReadonlySet<string> = new Set(["Fenced", "Revoked", "WrongSecret", "Incompatible"])

/** Whether this process may no longer write as its worker. */
export const isLoss = ({ reason }: ConvexClientError): boolean => reason._tag === "Rejected" && losses.has(reason.code)
