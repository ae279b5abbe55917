/**
 * Builders of public functions. Each defines who may call the function, and checks the caller before the handler runs.
 *
 * - operators: signed-in persons or programs, and their devices. `ctx.operator` owns the rows that a function may access;
 *   `ctx.device` is the calling device, or null. A device calls only functions of its scope and of the scopes below it:
 *   `read` ⊂ `approve` ⊂ `operate`. An identity of a login provider has the scope `operate`.
 * - workers: `{ workerId, secret, epoch }`. `ctx.worker` is the row; it is approved and has this secret and epoch.
 * - anonymous: unauthenticated callers. Only for pairing, which precedes an identity. Results are protected by a secret,
 *   and the size of arguments is limited.
 *
 * Mutations of operators are counted, except those that only stop or revoke: see `quotas.ts`.
 *
 * A query checks its caller at every run, so revoking or fencing also ends open subscriptions.
 */
import { customAction, customCtx, customMutation, customQuery } from "convex-helpers/server/customFunctions"
import { v } from "convex/values"
import { makeFunctionReference, type UserIdentity } from "convex/server"
import type { Doc, Id } from "./_generated/dataModel.ts"
import {
  action,
  type ActionCtx,
  httpAction,
  mutation,
  type MutationCtx,
  query,
  type QueryCtx
} from "./_generated/server.ts"
import { DEVICE_ISSUER } from "./deviceTokens.ts"
import { appError } from "./errors.ts"
import { incompatibility } from "./protocol.ts"
import { meter } from "./quotas.ts"
import { isSecretOf } from "./secrets.ts"
import type { Scope } from "./validators.ts"

/** The permitted callers of a function. A test reads this property from every public function. */
export type Caller = "operator" | "worker" | "anonymous"

/** The operator of a call: the owner of the rows, and the device that it uses. */
export interface OperatorCaller {
  readonly operator: string
  readonly device: { readonly deviceId: Id<"devices">; readonly name: string } | null
}

// A proxy keeps the type of the builder with all its overloads.
const callableBy = <Builder extends (definition: never) => object>(
  caller: Caller,
  build: Builder,
  scope?: Scope
): Builder =>
  new Proxy(build, {
    apply: (target, self, definition) =>
      Object.assign(Reflect.apply(target, self, definition), {
        callableBy: caller,
        ...(scope !== undefined && { scope })
      })
  })

const ranks: Record<Scope, number> = { read: 0, approve: 1, operate: 2 }

/** The identity of a call, if it may be an operator's. Fails with `Unauthenticated`. */
const identityOf = async (ctx: Pick<QueryCtx, "auth">): Promise<UserIdentity> => {
  const identity = await ctx.auth.getUserIdentity()
  if (identity === null) throw appError("Unauthenticated", "This function is for operators: sign in")
  return identity
}

/** The operator of a call, whose device is active and has the scope. Fails with `Revoked` or `Forbidden`. */
export const operatorOf = async (ctx: QueryCtx, needed: Scope): Promise<OperatorCaller> => {
  const { issuer, subject, tokenIdentifier } = await identityOf(ctx)
  if (issuer !== DEVICE_ISSUER) return { operator: tokenIdentifier, device: null }
  const deviceId = ctx.db.normalizeId("devices", subject)
  const device = deviceId === null ? null : await ctx.db.get(deviceId)
  if (device === null || device.revokedAt !== undefined) {
    throw appError("Revoked", "This device was revoked: pair it again")
  }
  const { name, ownerId, scope } = device
  if (ranks[scope] < ranks[needed]) {
    throw appError("Forbidden", `This device has the scope ${scope}, and this function needs ${needed}`)
  }
  return { operator: ownerId, device: { deviceId: device._id, name } }
}

const signedIn = (scope: Scope) => customCtx((ctx: QueryCtx) => operatorOf(ctx, scope))

/** As `signedIn`, and counts what the operator writes. */
const metered = (scope: Scope) => ({
  args: {},
  input: async (ctx: MutationCtx) => {
    const caller = await operatorOf(ctx, scope)
    const { db, settle } = await meter(ctx, caller.operator)
    const onSuccess = ({ args }: { readonly args: Record<string, unknown> }) => settle(args)
    return { ctx: { ...caller, db }, args: {}, onSuccess }
  }
})

/** By name: the type of `internal` depends on these builders. */
const authorize = makeFunctionReference<"query", { scope: Scope }, OperatorCaller>("devices:authorize")

/** An action has no database. Only a call of a device needs a query. */
const signedInAction = (scope: Scope) =>
  customCtx(async (ctx: ActionCtx): Promise<OperatorCaller> => {
    const { issuer, tokenIdentifier } = await identityOf(ctx)
    return issuer === DEVICE_ISSUER ? ctx.runQuery(authorize, { scope }) : { operator: tokenIdentifier, device: null }
  })

const authenticate = async (
  ctx: QueryCtx,
  credentials: { readonly workerId: Id<"workers">; readonly secret: string }
): Promise<Doc<"workers">> => {
  const worker = await ctx.db.get(credentials.workerId)
  if (worker === null || !(await isSecretOf(credentials.secret, worker.secretHash))) {
    throw appError("WrongSecret", "There is no worker with this id and secret: pair it again")
  }
  if (worker.approval === "revoked") throw appError("Revoked", "This worker's approval was revoked: pair it again")
  return worker
}

const credentials = { workerId: v.id("workers"), secret: v.string() }

const leased = {
  args: { ...credentials, epoch: v.number() },
  input: async (ctx: QueryCtx, args: { workerId: Id<"workers">; secret: string; epoch: number }) => {
    const worker = await authenticate(ctx, args)
    // The functions were deployed again while the worker ran.
    const refused = incompatibility(worker.protocol)
    if (refused !== null) throw appError(refused.code, refused.message)
    if (args.epoch !== worker.epoch) {
      throw appError(
        "Fenced",
        `Epoch ${args.epoch} has ended; the current epoch is ${worker.epoch}. Acquire the lease again.`
      )
    }
    return { ctx: { worker }, args: {} }
  }
}

/** A query by an operator: `ctx.operator`. Scope `read`. */
export const operatorQuery = customQuery(callableBy("operator", query, "read"), signedIn("read"))
/** A query by an operator whose result can have secrets. Scope `operate`. */
export const fullQuery = customQuery(callableBy("operator", query, "operate"), signedIn("operate"))
/** A mutation by an operator that changes nothing but marks of the reader, such as `sessions.watch`. Scope `read`. */
export const readerMutation = customMutation(callableBy("operator", mutation, "read"), signedIn("read"))
/** A mutation by an operator that answers an agent's request. Scope `approve`. */
export const approverMutation = customMutation(callableBy("operator", mutation, "approve"), metered("approve"))
/**
 * A mutation by an operator that only stops or revokes. It is not counted: a device that has used up the quota must not
 * prevent its own revocation. Scope `operate`.
 */
export const stoppingMutation = customMutation(callableBy("operator", mutation, "operate"), signedIn("operate"))
/** A mutation by an operator: `ctx.operator`. Scope `operate`. */
export const operatorMutation = customMutation(callableBy("operator", mutation, "operate"), metered("operate"))
/** An action by an operator: `ctx.operator`. For functions that must write although they reject the call. Scope `operate`. */
export const operatorAction = customAction(callableBy("operator", action, "operate"), signedInAction("operate"))
/** An action by an operator that concerns only the reader. Scope `read`. */
export const readerAction = customAction(callableBy("operator", action, "read"), signedInAction("read"))
/** A query by the worker that holds the lease: `ctx.worker`. */
export const workerQuery = customQuery(callableBy("worker", query), leased)
/** A mutation by the worker that holds the lease: `ctx.worker`. */
export const workerMutation = customMutation(callableBy("worker", mutation), leased)
/** A mutation by a worker without a lease, for acquiring one. */
export const unleasedWorkerMutation = customMutation(callableBy("worker", mutation), {
  args: credentials,
  input: async (ctx, args) => ({ ctx: { worker: await authenticate(ctx, args) }, args: {} })
})
/** A query by a worker with or without a lease, for reading its owner. */
export const unleasedWorkerQuery = customQuery(callableBy("worker", query), {
  args: credentials,
  input: async (ctx, args) => ({ ctx: { worker: await authenticate(ctx, args) }, args: {} })
})
/** A query by an unauthenticated caller. Only for pairing. */
export const anonymousQuery = callableBy("anonymous", query)
/** A mutation by an unauthenticated caller. Only for pairing. */
export const anonymousMutation = callableBy("anonymous", mutation)
/** An action by an unauthenticated caller. Only for signing in. */
export const anonymousAction = callableBy("anonymous", action)
/** A route that anyone may read, such as public keys. */
export const publicRoute = httpAction
