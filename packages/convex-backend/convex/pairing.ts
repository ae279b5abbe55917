/**
 * Pairing: a worker creates a secret and shows a code; the operator who approves the code owns the worker.
 *
 * ```
 *   worker: begin(hash of its secret) ─▶ code ─▶ operator: preview(code), approve(code)
 *   worker: status(secret), subscribed ◀─────────── workerId, ownerId
 *   worker: rotate(hash of its next secret), authenticated with the current one
 * ```
 *
 * Invariants
 * - A code is valid for 10 minutes, regardless of other calls.
 * - An anonymous call reads at most two small rows. At most 1,000 pairings are pending: `begin` rejects more after reading
 *   one row. `OPENCODE_WORKER_PAIRING=off` in the deployment's environment disables `begin`.
 */
import { type Infer, v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx, type QueryCtx } from "./_generated/server.ts"
import { auditOperator } from "./audit.ts"
import { anonymousMutation, anonymousQuery, operatorAction, unleasedWorkerQuery, workerMutation } from "./builders.ts"
import { type ErrorData, appError } from "./errors.ts"
import {
  checkName,
  checkText,
  EXPIRED_PAIRINGS_BATCH,
  MAX_NAME,
  MAX_PAIRING_NAME,
  MAX_PENDING_PAIRINGS,
  PAIRING_LIFETIME,
  PAIRING_MEMORY
} from "./limits.ts"
import { incompatibility } from "./protocol.ts"
import { isSecretOf, makeCode, readCode, showCode } from "./secrets.ts"
import { countWrongCode, tooManyWrongCodes } from "./wrongCodes.ts"

declare const process: { readonly env: Readonly<Record<string, string | undefined>> }

const byCode = (ctx: QueryCtx, code: string) =>
  ctx.db
    .query("pairings")
    .withIndex("by_code", (q) => q.eq("code", code))
    .first()

const checkHash = (secretHash: string): void => {
  if (!/^[0-9a-f]{64}$/.test(secretHash)) {
    throw appError("InvalidArgument", "secretHash must be a SHA-256 hash of 64 hexadecimal digits")
  }
}

/** Rejects names of unauthenticated workers that are too long. */
const checkPairingName = (field: string, name: string): void => {
  checkName(field, name, MAX_PAIRING_NAME)
  const { length } = new TextEncoder().encode(name)
  if (length > MAX_PAIRING_NAME) {
    throw appError("InvalidArgument", `${field} has ${length} bytes as UTF-8; it takes at most ${MAX_PAIRING_NAME}`)
  }
}

const changePending = async (ctx: MutationCtx, change: 1 | -1): Promise<void> => {
  const counter = await ctx.db.query("pendingPairings").first()
  if (counter === null) await ctx.db.insert("pendingPairings", { count: Math.max(change, 0) })
  else await ctx.db.patch(counter._id, { count: Math.max(counter.count + change, 0) })
}

/** Convex Cloud knows the caller's address; other deployments throw. */
const addressOf = async ({ meta }: MutationCtx): Promise<string | null> => {
  try {
    return (await meta.getRequestMetadata()).ip
  } catch {
    return null
  }
}

/**
 * Starts a pairing for a worker, which sends only the hash of its secret. `machine`, `directory` and `permissions` (the
 * permission mode): at most 100 bytes of UTF-8. Returns the code to show, and `expiresAt` in milliseconds. Fails with `RateLimited`, `Disabled` or `Incompatible`.
 */
export const begin = anonymousMutation({
  args: {
    machine: v.string(),
    directory: v.string(),
    permissions: v.optional(v.string()),
    secretHash: v.string(),
    protocol: v.optional(v.string())
  },
  handler: async (ctx, { machine, directory, permissions, secretHash, protocol }) => {
    if (process.env["OPENCODE_WORKER_PAIRING"] === "off") {
      throw appError("Disabled", "This deployment accepts no new workers: OPENCODE_WORKER_PAIRING is off")
    }
    checkPairingName("machine", machine)
    checkPairingName("directory", directory)
    if (permissions !== undefined) checkPairingName("permissions", permissions)
    checkHash(secretHash)
    const incompatible = incompatibility(protocol)
    if (incompatible !== null) throw appError(incompatible.code, incompatible.message)
    const counter = await ctx.db.query("pendingPairings").first()
    if (counter !== null && counter.count >= MAX_PENDING_PAIRINGS) {
      throw appError("RateLimited", "Too many workers are waiting for approval: try again in 10 minutes")
    }
    let code = makeCode()
    while ((await byCode(ctx, code)) !== null) code = makeCode()
    const address = await addressOf(ctx)
    const expiresAt = Date.now() + PAIRING_LIFETIME
    const pairingId = await ctx.db.insert("pairings", {
      code,
      machine,
      directory,
      ...(permissions !== undefined && { permissions }),
      secretHash,
      status: "pending",
      ...(address !== null && { address }),
      expiresAt
    })
    await changePending(ctx, 1)
    await ctx.scheduler.runAt(expiresAt, internal.pairing.expire, { pairingId })
    return { pairingId, code: showCode(code), expiresAt }
  }
})

/**
 * The state of a pairing, for the worker that began it and has its secret. `ownerId`: the identity that approved it, as
 * `issuer|subject`; null before the approval.
 */
export const status = anonymousQuery({
  args: { pairingId: v.id("pairings"), secret: v.string() },
  handler: async (ctx, { pairingId, secret }) => {
    const pairing = await ctx.db.get(pairingId)
    if (pairing === null || !(await isSecretOf(secret, pairing.secretHash))) {
      throw appError("NotFound", "There is no such pairing with this secret")
    }
    const worker = pairing.workerId === undefined ? null : await ctx.db.get(pairing.workerId)
    return { status: pairing.status, workerId: pairing.workerId ?? null, ownerId: worker?.ownerId ?? null }
  }
})

/** The owner of the calling worker, as `issuer|subject`. It never changes. */
export const owner = unleasedWorkerQuery({
  args: {},
  handler: (ctx) => Promise.resolve({ ownerId: ctx.worker.ownerId })
})

const pairingPreview = v.object({
  machine: v.string(),
  directory: v.string(),
  permissions: v.union(v.string(), v.null()),
  address: v.union(v.string(), v.null()),
  createdAt: v.number(),
  expiresAt: v.number()
})

/**
 * The worker that shows `code`, before its approval: the names and the permission mode that it reports (null if it
 * reports none), its address (null if the deployment does not know it), and the start and end of the code's validity in milliseconds. Wrong codes count as in `approve`.
 */
export const preview = operatorAction({
  args: { code: v.string() },
  handler: async (ctx, { code }): Promise<Infer<typeof pairingPreview>> => {
    checkText("code", code, MAX_NAME)
    const answer = await ctx.runMutation(internal.pairing.tryPreview, {
      operator: ctx.operator,
      device: ctx.device,
      code
    })
    if ("code" in answer) throw appError(answer.code, answer.message)
    return answer
  }
})

/**
 * Approves the worker that shows `code`, and returns its id. Idempotent. After 10 wrong codes, all codes of an operator are
 * rejected for 10 minutes from the first one, to limit guesses. Fails with `NotFound`, `Expired` or `RateLimited`.
 *
 * An action, because a mutation that fails would roll back the count.
 */
export const approve = operatorAction({
  args: { code: v.string() },
  handler: async (ctx, { code }): Promise<Id<"workers">> => {
    checkText("code", code, MAX_NAME)
    const answer = await ctx.runMutation(internal.pairing.tryCode, { operator: ctx.operator, device: ctx.device, code })
    if ("workerId" in answer) return answer.workerId
    throw appError(answer.code, answer.message)
  }
})

/** The pairing of a code that this operator may approve, or has approved. */
const pairingOf = async (ctx: QueryCtx, operator: string, code: string): Promise<Doc<"pairings"> | ErrorData> => {
  const pairing = await byCode(ctx, readCode(code))
  const worker = pairing?.workerId === undefined ? null : await ctx.db.get(pairing.workerId)
  if (pairing !== null && worker?.ownerId === operator) return pairing
  if (pairing === null || pairing.status === "approved") {
    return { code: "NotFound", message: "No worker shows this code: compare it with the terminal of the worker" }
  }
  if (pairing.status === "expired" || pairing.expiresAt <= Date.now()) {
    return { code: "Expired", message: "This code is older than 10 minutes: start the worker's pairing again" }
  }
  return pairing
}

/** Runs `use` with the pairing of a code, or counts the code as wrong. Returns errors, so that the count is committed. */
const withPairing = async <A>(
  ctx: MutationCtx,
  { code, operator }: { readonly code: string; readonly operator: string },
  use: (pairing: Doc<"pairings">) => Promise<A>
): Promise<A | ErrorData> => {
  const refused = await tooManyWrongCodes(ctx, operator)
  if (refused !== null) return refused
  const found = await pairingOf(ctx, operator, code)
  if ("_id" in found) return use(found)
  await countWrongCode(ctx, operator)
  return found
}

const attempt = {
  operator: v.string(),
  device: v.union(v.object({ deviceId: v.id("devices"), name: v.string() }), v.null()),
  code: v.string()
}

export const tryPreview = internalMutation({
  args: attempt,
  handler: (ctx, args): Promise<Infer<typeof pairingPreview> | ErrorData> =>
    withPairing(ctx, args, ({ _creationTime, address, directory, expiresAt, machine, permissions }) =>
      Promise.resolve({
        machine,
        directory,
        permissions: permissions ?? null,
        address: address ?? null,
        createdAt: _creationTime,
        expiresAt
      })
    )
})

export const tryCode = internalMutation({
  args: attempt,
  handler: (ctx, args): Promise<{ readonly workerId: Id<"workers"> } | ErrorData> =>
    withPairing(ctx, args, async ({ _id, directory, machine, secretHash, workerId: existing }) => {
      if (existing !== undefined) return { workerId: existing }
      const { device, operator } = args
      const workerId = await ctx.db.insert("workers", {
        ownerId: operator,
        machine,
        directory,
        secretHash,
        approval: "approved",
        epoch: 0
      })
      await ctx.db.insert("presence", { workerId, phase: "paired", online: false })
      await auditOperator({ db: ctx.db, operator, device }, { action: "approve", workerId })
      await ctx.db.patch(_id, { status: "approved", workerId })
      await changePending(ctx, -1)
      return { workerId }
    })
})

/**
 * Expires a code, so that the subscription of the waiting worker is updated. Also deletes a few old expired pairings: more
 * than one per expiry, so that unauthenticated calls cannot grow the table.
 */
export const expire = internalMutation({
  args: { pairingId: v.id("pairings") },
  handler: async (ctx, { pairingId }): Promise<null> => {
    const pairing = await ctx.db.get(pairingId)
    if (pairing?.status !== "pending") return null
    await ctx.db.patch(pairingId, { status: "expired" })
    await changePending(ctx, -1)
    const oldest = await ctx.db
      .query("pairings")
      .withIndex("by_status", (q) => q.eq("status", "expired"))
      .take(EXPIRED_PAIRINGS_BATCH)
    for (const { _id, expiresAt } of oldest) {
      if (expiresAt <= Date.now() - PAIRING_MEMORY) await ctx.db.delete(_id)
    }
    return null
  }
})

/** Corrects the counter, in case an expiry was lost. */
export const recount = internalMutation({
  args: {},
  handler: async (ctx): Promise<null> => {
    const pending = await ctx.db
      .query("pairings")
      .withIndex("by_status", (q) => q.eq("status", "pending"))
      .take(MAX_PENDING_PAIRINGS)
    const counter = await ctx.db.query("pendingPairings").first()
    if (counter === null) await ctx.db.insert("pendingPairings", { count: pending.length })
    else if (counter.count !== pending.length) await ctx.db.patch(counter._id, { count: pending.length })
    return null
  }
})

/**
 * Replaces the secret of the worker by the one with this hash. The old secret is rejected from then on, also on open
 * subscriptions: authenticate every call with the new one, and subscribe again. The lease continues.
 *
 * Store both secrets before the call, and delete the old one after the answer. Without an answer, call again with the new
 * secret: this has no effect if the rotation was committed, and fails with `WrongSecret` otherwise.
 */
export const rotate = workerMutation({
  args: { secretHash: v.string() },
  handler: async (ctx, { secretHash }) => {
    checkHash(secretHash)
    const { _id: workerId } = ctx.worker
    if (ctx.worker.secretHash === secretHash) return null
    await ctx.db.patch(workerId, { secretHash })
    await ctx.db.insert("audit", { actorId: workerId, action: "rotate", workerId })
    return null
  }
})
