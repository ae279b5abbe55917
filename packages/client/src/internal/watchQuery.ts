import type { FunctionArgs, FunctionReference, FunctionReturnType } from "convex/server"
import type { Connection } from "../Connection.ts"
import { updates } from "./updates.ts"

/** The result of a query, and each later one. */
export const watchQuery = <F extends FunctionReference<"query">>(
  connection: Connection,
  query: F,
  args: FunctionArgs<F>,
  signal?: AbortSignal
): AsyncIterable<FunctionReturnType<F>> =>
  updates(({ emit, fail }) => connection.subscribe(query, args, emit, fail), signal)

/** The first result that `holds`, and the end of the subscription. */
export const firstResult = async <F extends FunctionReference<"query">>(
  holds: (result: FunctionReturnType<F>) => boolean,
  ...watched: Parameters<typeof watchQuery<F>>
): Promise<FunctionReturnType<F>> => {
  for await (const result of watchQuery(...watched)) if (holds(result)) return result
  throw new Error("A subscription ended without a result")
}
