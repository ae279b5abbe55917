import { api, type CommandId, type WorkerId } from "../api.ts"
import { type CallOptions, type Calls, keyed, type MutationOptions } from "../internal/calls.ts"

/** A model as OpenCode reports it. Absent fields: not known. */
export interface Model {
  /** `provider/model`. */
  readonly id: string
  readonly providerID: string
  readonly modelID: string
  readonly name: string
  /** In tokens. */
  readonly limit?: { readonly context?: number; readonly output?: number }
  /** US dollars for a million tokens. */
  readonly cost?: {
    readonly input: number
    readonly output: number
    readonly cacheRead?: number
    readonly cacheWrite?: number
  }
  readonly capabilities?: {
    readonly tools?: boolean
    readonly reasoning?: boolean
    /** The kinds of files that it accepts in a prompt. */
    readonly input?: {
      readonly image?: boolean
      readonly pdf?: boolean
      readonly audio?: boolean
      readonly video?: boolean
    }
    /** The kinds of files that it can answer with. */
    readonly output?: { readonly image?: boolean; readonly audio?: boolean; readonly video?: boolean }
  }
  /** Names for `variant` of a prompt, such as reasoning efforts. */
  readonly variants?: ReadonlyArray<string>
  /** As the provider spells it, such as `active` or `deprecated`. */
  readonly status?: string
}

/** The models of a worker. */
export interface ModelCatalog {
  readonly hash: string
  /** `provider/model`, or null. */
  readonly default: string | null
  readonly models: ReadonlyArray<Model>
}

const catalog = (row: { hash: string; default: string | null; models: string } | null): ModelCatalog | null =>
  row && { ...row, models: JSON.parse(row.models) }

export const makeModels = ({ mutation, query }: Calls) => ({
  /** Null until the worker has published its models. */
  get: async (workerId: WorkerId, options?: CallOptions): Promise<ModelCatalog | null> =>
    catalog(await query(api.models.get, { workerId }, options)),
  /** Makes the worker read its models, agents, commands and skills again. */
  refresh: (workerId: WorkerId, options?: MutationOptions): Promise<CommandId> =>
    mutation(api.workers.refreshModels, { workerId, ...keyed(options) }, options)
})
