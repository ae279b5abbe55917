/** The models that an agent can use, as data, with pure functions. */
import { createHash } from "node:crypto"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { nearest } from "./internal/nearest.ts"
import { ModelCacheError } from "./ModelCacheError.ts"
import { NoDefaultModel, UnknownModel } from "./ModelCacheReason.ts"

/** One model. `id` is `providerID/modelID`, and `modelID` may contain slashes. The fields are spelt as OpenCode's. */
export interface Model {
  readonly id: string
  readonly providerID: string
  readonly modelID: string
  readonly name: string
  /** In tokens. */
  readonly limit?: { readonly context?: number; readonly output?: number }
  readonly capabilities?: {
    readonly tools?: boolean
    readonly reasoning?: boolean
    /** The kinds of files that the model accepts in a prompt. */
    readonly input?: {
      readonly image?: boolean
      readonly pdf?: boolean
      readonly audio?: boolean
      readonly video?: boolean
    }
    /** The kinds of files that it can answer with. */
    readonly output?: { readonly image?: boolean; readonly audio?: boolean; readonly video?: boolean }
  }
  /** US dollars for a million tokens. Absent: not known. */
  readonly cost?: {
    readonly input: number
    readonly output: number
    readonly cacheRead?: number
    readonly cacheWrite?: number
  }
  /** The names of its variants, such as reasoning efforts. */
  readonly variants?: ReadonlyArray<string>
  /** As the provider spells it, for example `active` or `deprecated`. */
  readonly status?: string
}

export interface ModelCatalog {
  readonly models: ReadonlyArray<Model>
  /** The `id` of the model to use when none is requested. */
  readonly default: string | null
}

/** A model with the `id` made of its provider and its own name. */
export const model = (fields: Omit<Model, "id">): Model => ({ id: `${fields.providerID}/${fields.modelID}`, ...fields })

const byId = (one: Model, other: Model): number => (one.id < other.id ? -1 : one.id > other.id ? 1 : 0)

const sortedKeys = (_: string, value: unknown): unknown =>
  Predicate.isObject(value) && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value

/** SHA-256 (hex) of the content, independent of the order of keys and of models. */
export const hash = (catalog: ModelCatalog): string =>
  createHash("sha256")
    .update(JSON.stringify({ default: catalog.default, models: catalog.models.toSorted(byId) }, sortedKeys))
    .digest("hex")

/** The model with this id, or the default one without an id. Fails with `UnknownModel` or `NoDefaultModel`. */
export const resolve = (catalog: ModelCatalog, id?: string): Result.Result<Model, ModelCacheError> => {
  const known = catalog.models.length
  const wanted = id ?? catalog.default
  if (wanted === null) return failed(new NoDefaultModel({ known }))
  const found = catalog.models.find((candidate) => candidate.id === wanted)
  if (found !== undefined) return Result.succeed(found)
  return failed(new UnknownModel({ id: wanted, suggestions: nearest(wanted, catalog.models), known }))
}

const failed = (reason: ModelCacheError["reason"]) => Result.fail(new ModelCacheError({ reason }))
