/** Calls of the deployment's functions that can be aborted, and the options that they share. */
import type { FunctionArgs, FunctionReference } from "convex/server"
import type { Connection } from "../Connection.ts"

export interface CallOptions {
  /** Ends the wait: the promise rejects with `signal.reason`. A call that was already sent may still run. */
  readonly signal?: AbortSignal
}

export interface MutationOptions extends CallOptions {
  /** A second call with the same key has no further effect. Default: a new UUID per call. */
  readonly idempotencyKey?: string
}

/** Rows per page. */
export const pageSize = 20

const orAbort = async <A>(start: () => Promise<A>, { signal }: CallOptions = {}): Promise<A> => {
  if (signal === undefined) return start()
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener("abort", onAbort)
  try {
    return await Promise.race([start(), aborted.promise])
  } finally {
    signal.removeEventListener("abort", onAbort)
  }
}

export const keyed = ({ idempotencyKey = crypto.randomUUID() }: MutationOptions = {}) => ({ idempotencyKey })

export const makeCalls = (connection: Connection) => ({
  connection,
  query: <F extends FunctionReference<"query">>(reference: F, args: FunctionArgs<F>, options?: CallOptions) =>
    orAbort(() => connection.query(reference, args), options),
  mutation: <F extends FunctionReference<"mutation">>(reference: F, args: FunctionArgs<F>, options?: CallOptions) =>
    orAbort(() => connection.mutation(reference, args), options),
  action: <F extends FunctionReference<"action">>(reference: F, args: FunctionArgs<F>, options?: CallOptions) =>
    orAbort(() => connection.action(reference, args), options)
})

export type Calls = ReturnType<typeof makeCalls>
