import { api, type Catalog, type WorkerId } from "../api.ts"
import type { CallOptions, Calls } from "../internal/calls.ts"

export const makeCatalog = ({ query }: Calls) => ({
  /** The agents, commands and skills of a worker's directory. Null until the worker has published them. */
  get: (workerId: WorkerId, options?: CallOptions): Promise<Catalog | null> =>
    query(api.catalog.get, { workerId }, options)
})
