/** @since 0.1.0 */
export { ModelCache, type Options, type Snapshot, type Stats } from "./ModelCache.ts"
export {
  Closed,
  FetchFailed,
  FetchTimedOut,
  InvalidOption,
  InvalidSpec,
  ModelCacheError,
  NoDefaultModel,
  UnknownModel
} from "./ModelCacheError.ts"
export * as ModelCatalog from "./ModelCatalog.ts"
export { ModelSource } from "./ModelSource.ts"
export { modelCache, type ModelCacheHandle, type ModelCacheOptions } from "./promises.ts"
