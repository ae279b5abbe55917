import type { FunctionArgs } from "convex/server"
import { api, type QueryResults, type SubAgentTurn, type WorkerId } from "../api.ts"
import { type Calls, keyed, type MutationOptions } from "../internal/calls.ts"
import type { Block } from "../internal/view/blocks.ts"
import { partBlock } from "../internal/view/parts.ts"
import { firstResult } from "../internal/watchQuery.ts"

type Query = FunctionArgs<typeof api.queries.ask>["query"]

const isAnswered = (row: { readonly result: string | null }): boolean => row.result !== null

/** The tasks of a sub-agent and their answers, as the blocks of a view. */
export interface SubAgentTranscript {
  readonly turns: ReadonlyArray<Omit<SubAgentTurn, "parts"> & { readonly blocks: ReadonlyArray<Block> }>
  /** Whether turns, parts or the ends of texts were left out. */
  readonly truncated: boolean
}

/** Options of `queries.diff`. */
export interface DiffOptions extends MutationOptions {
  /** The last commit, or the start of the branch. Default: `commit`. */
  readonly base?: "commit" | "branch"
}

/**
 * Questions that the worker answers from its machine, within 15 s. Paths are relative to its directory. Each needs the scope
 * `operate` and a worker that is online. They reject with `Rejected` and the code `QueryFailed`, whose message is the worker's
 * reason, or `Expired`.
 */
export const makeQueries = ({ connection, mutation }: Calls) => {
  const ask = async <Kind extends keyof QueryResults>(
    workerId: WorkerId,
    query: Query & { readonly kind: Kind },
    options: MutationOptions = {}
  ): Promise<QueryResults[Kind]> => {
    const queryId = await mutation(api.queries.ask, { workerId, query, ...keyed(options) }, options)
    // One that is not closed is deleted after a minute.
    const close = () => mutation(api.queries.close, { queryId }).then(undefined, () => undefined)
    try {
      const { result } = await firstResult(isAnswered, connection, api.queries.get, { queryId }, options.signal)
      return JSON.parse(result ?? "null")
    } finally {
      const closed = close()
      if (options.signal?.aborted !== true) await closed
    }
  }

  return {
    /** At most 100 files whose path matches the text. */
    findFiles: (workerId: WorkerId, text: string, options?: MutationOptions) =>
      ask(workerId, { kind: "findFiles", text }, options),
    /** At most the first 200 kB of a file. */
    readFile: (workerId: WorkerId, path: string, options?: MutationOptions) =>
      ask(workerId, { kind: "readFile", path }, options),
    /**
     * The transcript of a sub-agent, whose session is that of its block in a view, or the `child` of an outline entry. Also
     * while it runs.
     */
    subAgent: async (
      workerId: WorkerId,
      agentSessionId: string,
      options?: MutationOptions
    ): Promise<SubAgentTranscript> => {
      const { truncated, turns } = await ask(workerId, { kind: "subAgent", agentSessionId }, options)
      return { truncated, turns: turns.map(({ parts, ...turn }) => ({ ...turn, blocks: parts.map(partBlock) })) }
    },
    /** The branch, and the files that differ from the last commit. */
    vcs: (workerId: WorkerId, options?: MutationOptions) => ask(workerId, { kind: "vcs" }, options),
    /** The files that differ, with unified patches. */
    diff: (workerId: WorkerId, { base = "commit", ...options }: DiffOptions = {}) =>
      ask(workerId, { kind: "diff", base }, options),
    /** The servers of OpenCode for tools (MCP) and languages (LSP). Looking does not start OpenCode. */
    status: (workerId: WorkerId, options?: MutationOptions) => ask(workerId, { kind: "status" }, options)
  }
}
