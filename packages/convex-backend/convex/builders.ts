/**
 * The only ways to make a public function. Each says who may call it, and checks that before the handler runs.
 *
 * - operators: a signed-in person or program. `ctx.operator` is the identity; a function touches only rows of that owner.
 * - workers: `{ workerId, secret, epoch }`. `ctx.worker` is the row, approved, with this secret and this epoch.
 * - anonymous: nobody was checked. For pairing alone, which happens before there is an identity; what it gives is
 *   guarded by a secret, and what it takes is bounded.
 *
 * A query checks again whenever it runs again, so revoking or fencing ends open subscriptions, too.
 *
 * @since 0.1.0
 */
import { customAction, customCtx, customMutation, customQuery } from "convex-helpers/server/customFunctions"
import { v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { action, mutation, query, type QueryCtx } from "./_generated/server.ts"
import { refusal } from "./errors.ts"
import { isSecretOf } from "./secrets.ts"

/** Who may call a function; a test reads it from every public function there is. */
export type Caller = "operator" | "worker" | "anonymous"

// A proxy, because it has the type of what it wraps, with all its overloads.
const callableBy = <Builder extends (definition: never) => object>(caller: Caller, build: Builder): Builder =>
  new Proxy(build, {
    apply: (target, self, definition) => Object.assign(Reflect.apply(target, self, definition), { callableBy: caller })
  })

const signedIn = customCtx(async (ctx: Pick<QueryCtx, "auth">) => {
  const identity = await ctx.auth.getUserIdentity()
  if (identity === null) throw refusal("Unauthenticated", "Sign in: this function is for operators")
  return { operator: identity.tokenIdentifier }
})

const authenticate = async (
  ctx: QueryCtx,
  credentials: { readonly workerId: Id<"workers">; readonly secret: string }
): Promise<Doc<"workers">> => {
  const worker = await ctx.db.get(credentials.workerId)
  if (worker === null || !(await isSecretOf(credentials.secret, worker.secretHash))) {
    throw refusal("WrongSecret", "There is no such worker with this secret: pair it again")
  }
  if (worker.approval === "revoked") throw refusal("Revoked", "This worker's approval was revoked: pair it again")
  return worker
}

const credentials = { workerId: v.id("workers"), secret: v.string() }

const leased = {
  args: { ...credentials, epoch: v.number() },
  input: async (ctx: QueryCtx, args: { workerId: Id<"workers">; secret: string; epoch: number }) => {
    const worker = await authenticate(ctx, args)
    if (args.epoch !== worker.epoch) {
      throw refusal("Fenced", `Epoch ${args.epoch} is over, ${worker.epoch} is current: acquire the lease anew`)
    }
    return { ctx: { worker }, args: {} }
  }
}

/** A query by a signed-in operator: `ctx.operator`. */
export const operatorQuery = customQuery(callableBy("operator", query), signedIn)
/** A mutation by a signed-in operator: `ctx.operator`. */
export const operatorMutation = customMutation(callableBy("operator", mutation), signedIn)
/** An action by a signed-in operator: `ctx.operator`. For what must be written although it is refused. */
export const operatorAction = customAction(callableBy("operator", action), signedIn)
/** A query by the worker that holds the lease: `ctx.worker`. */
export const workerQuery = customQuery(callableBy("worker", query), leased)
/** A mutation by the worker that holds the lease: `ctx.worker`. */
export const workerMutation = customMutation(callableBy("worker", mutation), leased)
/** A mutation by a worker that holds no lease yet: only to acquire one. */
export const unleasedWorkerMutation = customMutation(callableBy("worker", mutation), {
  args: credentials,
  input: async (ctx, args) => ({ ctx: { worker: await authenticate(ctx, args) }, args: {} })
})
/** A query by a worker that need not hold a lease: only to learn whose it is. */
export const unleasedWorkerQuery = customQuery(callableBy("worker", query), {
  args: credentials,
  input: async (ctx, args) => ({ ctx: { worker: await authenticate(ctx, args) }, args: {} })
})
/** A query by nobody in particular. Pairing only. */
export const anonymousQuery = callableBy("anonymous", query)
/** A mutation by nobody in particular. Pairing only. */
export const anonymousMutation = callableBy("anonymous", mutation)
