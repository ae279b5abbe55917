/**
 * Builders of public functions. Each defines who may call the function, and checks the caller before the handler runs.
 *
 * - operators: signed-in persons or programs. `ctx.operator` is the identity; a function accesses only rows of that owner.
 * - workers: `{ workerId, secret, epoch }`. `ctx.worker` is the row; it is approved and has this secret and epoch.
 * - anonymous: unauthenticated callers. Only for pairing, which precedes an identity. Results are protected by a secret,
 *   and arguments are clamp.
 *
 * A query checks its caller at every run, so revoking or fencing also ends open subscriptions.
 */
import { customAction, customCtx, customMutation, customQuery } from "convex-helpers/server/customFunctions"
import { v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { action, mutation, query, type QueryCtx } from "./_generated/server.ts"
import { appError } from "./errors.ts"
import { isSecretOf } from "./secrets.ts"

/** The permitted callers of a function. A test reads this property from every public function. */
export type Caller = "operator" | "worker" | "anonymous"

// A proxy keeps the type of the builder with all its overloads.
const callableBy = <Builder extends (definition: never) => object>(caller: Caller, build: Builder): Builder =>
  new Proxy(build, {
    apply: (target, self, definition) => Object.assign(Reflect.apply(target, self, definition), { callableBy: caller })
  })

const signedIn = customCtx(async (ctx: Pick<QueryCtx, "auth">) => {
  const identity = await ctx.auth.getUserIdentity()
  if (identity === null) throw appError("Unauthenticated", "This function is for operators: sign in")
  return { operator: identity.tokenIdentifier }
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
    if (args.epoch !== worker.epoch) {
      throw appError(
        "Fenced",
        `Epoch ${args.epoch} has ended; the current epoch is ${worker.epoch}. Acquire the lease again.`
      )
    }
    return { ctx: { worker }, args: {} }
  }
}

/** A query by a signed-in operator: `ctx.operator`. */
export const operatorQuery = customQuery(callableBy("operator", query), signedIn)
/** A mutation by a signed-in operator: `ctx.operator`. */
export const operatorMutation = customMutation(callableBy("operator", mutation), signedIn)
/** An action by a signed-in operator: `ctx.operator`. For functions that must write although they reject the call. */
export const operatorAction = customAction(callableBy("operator", action), signedIn)
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
