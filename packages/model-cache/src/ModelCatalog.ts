/**
 * The models that an agent can use, as data, and what can be asked of them without any effect.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import { Predicate, Result, Schema } from "effect"
import { nearest } from "./internal/nearest.ts"
import { InvalidSpec, ModelCacheError, NoDefaultModel, UnknownModel } from "./ModelCacheError.ts"

/**
 * One model. `id` is `providerID/modelID`, and `modelID` may contain slashes.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Model = Schema.Struct({
  id: Schema.String,
  providerID: Schema.String,
  modelID: Schema.String,
  name: Schema.String,
  /** In tokens. */
  limit: Schema.optionalKey(
    Schema.Struct({
      context: Schema.optionalKey(Schema.Finite),
      output: Schema.optionalKey(Schema.Finite)
    })
  ),
  capabilities: Schema.optionalKey(
    Schema.Struct({
      tools: Schema.optionalKey(Schema.Boolean),
      reasoning: Schema.optionalKey(Schema.Boolean),
      attachments: Schema.optionalKey(Schema.Boolean)
    })
  ),
  /** The provider's word for it, for example `active` or `deprecated`. */
  status: Schema.optionalKey(Schema.String)
})

/**
 * @category models
 * @since 0.1.0
 */
export type Model = typeof Model.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const ModelCatalog = Schema.Struct({
  models: Schema.Array(Model),
  /** The `id` of the model to use when none is asked for. */
  default: Schema.NullOr(Schema.String)
})

/**
 * @category models
 * @since 0.1.0
 */
export type ModelCatalog = typeof ModelCatalog.Type

/**
 * A model with the `id` that its provider and own name make.
 *
 * @category constructors
 * @since 0.1.0
 */
export const model = (fields: Omit<Model, "id">): Model => ({
  id: `${fields.providerID}/${fields.modelID}`,
  ...fields
})

/**
 * Splits `provider/model` at the first slash: what follows is the model's, further slashes included. `undefined` when
 * either side is empty.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parseSpec = (spec: string): { readonly providerID: string; readonly modelID: string } | undefined => {
  const slash = spec.indexOf("/")
  const [providerID, modelID] = [spec.slice(0, slash), spec.slice(slash + 1)]
  return slash < 1 || modelID === "" ? undefined : { providerID, modelID }
}

const byId = (one: Model, other: Model): number => (one.id < other.id ? -1 : one.id > other.id ? 1 : 0)

const sortedKeys = (_: string, value: unknown): unknown =>
  Predicate.isObject(value) && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value

/**
 * SHA-256 (hex) of the content. Neither the order of keys nor that of the models counts, so a list that a source only
 * happens to shuffle is not a new one.
 *
 * @category hashing
 * @since 0.1.0
 */
export const hash = (catalog: ModelCatalog): string =>
  createHash("sha256")
    .update(JSON.stringify({ default: catalog.default, models: catalog.models.toSorted(byId) }, sortedKeys))
    .digest("hex")

/**
 * The model that `spec` (`provider/model`) names, or the default one when there is no `spec`. Fails with `InvalidSpec`,
 * `UnknownModel` or `NoDefaultModel`.
 *
 * @category resolution
 * @since 0.1.0
 */
export const resolve = (catalog: ModelCatalog, spec: string | undefined): Result.Result<Model, ModelCacheError> => {
  const known = catalog.models.length
  const id = spec ?? catalog.default
  if (id === null) return failed(new NoDefaultModel({ known }))
  const found = catalog.models.find((candidate) => candidate.id === id)
  if (found !== undefined) return Result.succeed(found)
  const suggestions = nearest(id, catalog.models)
  return parseSpec(id) === undefined
    ? failed(new InvalidSpec({ spec: id, suggestions }))
    : failed(new UnknownModel({ spec: id, suggestions, known }))
}

const failed = (reason: ModelCacheError["reason"]) => Result.fail(new ModelCacheError({ reason }))
