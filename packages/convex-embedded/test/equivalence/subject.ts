/** The same calls on a deployment with the real client, and on `convex-test`. */
import { ConvexError, type Value } from "convex/values"
import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server"
import { convexTest } from "convex-test"
import type { Deployment } from "../../src/index.ts"
import { connect } from "../deployment.ts"
import { api } from "../fixtures/convex/_generated/api.js"
import schema from "../fixtures/convex/schema.ts"

export interface Subject {
  readonly query: <F extends FunctionReference<"query">>(f: F, args: FunctionArgs<F>) => Promise<FunctionReturnType<F>>
  readonly mutation: <F extends FunctionReference<"mutation">>(
    f: F,
    args: FunctionArgs<F>
  ) => Promise<FunctionReturnType<F>>
  readonly action: <F extends FunctionReference<"action">>(
    f: F,
    args: FunctionArgs<F>
  ) => Promise<FunctionReturnType<F>>
}

/** The real client of a deployment, which is made empty. */
export const withClient = async (deployment: Deployment): Promise<Subject> => {
  const client = connect(deployment)
  await client.mutation(api.misc.clear, {})
  return {
    action: (f, args) => client.action(f, args),
    mutation: (f, args) => client.mutation(f, args),
    query: (f, args) => client.query(f, args)
  }
}

const modules = {
  "./convex/_generated/api.js": () => import("../fixtures/convex/_generated/api.js"),
  "./convex/accounts.ts": () => import("../fixtures/convex/accounts.ts"),
  "./convex/counters.ts": () => import("../fixtures/convex/counters.ts"),
  "./convex/files.ts": () => import("../fixtures/convex/files.ts"),
  "./convex/jobs.ts": () => import("../fixtures/convex/jobs.ts"),
  "./convex/messages.ts": () => import("../fixtures/convex/messages.ts"),
  "./convex/misc.ts": () => import("../fixtures/convex/misc.ts"),
  "./convex/notes.ts": () => import("../fixtures/convex/notes.ts")
}

/** Its methods infer the arguments of a concrete reference only. */
export const inConvexTest = (): Subject => convexTest(schema, modules) as unknown as Subject

/** A result without what is random: ids are numbered as they appear, times of creation are left out. */
export const comparable = (value: unknown): unknown => {
  const ids = new Map<string, string>()
  const numbered = (id: string) => {
    if (!ids.has(id)) ids.set(id, `id ${ids.size + 1}`)
    return ids.get(id)
  }
  const visit = (inner: unknown, field = ""): unknown => {
    if (Array.isArray(inner)) return inner.map((each) => visit(each))
    if (inner instanceof ArrayBuffer) return [...new Uint8Array(inner)]
    if (typeof inner === "string" && /^(_id|id)$/.test(field)) return numbered(inner)
    if (inner === null || typeof inner !== "object") return inner
    const fields = Object.entries(inner).filter(([name]) => name !== "_creationTime")
    return Object.fromEntries(
      fields.toSorted(([left], [right]) => (left < right ? -1 : 1)).map(([name, each]) => [name, visit(each, name)])
    )
  }
  return visit(value)
}

/** The data of a `ConvexError`; of any other failure only that it failed: each side has words of its own. */
export const outcome = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    (value) => ({ value }),
    (cause: unknown) => ({ failed: cause instanceof ConvexError ? (cause.data as Value) : true })
  )
