/** The rules of Convex for the indexes of a table. */
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import { limits } from "../values/limits.ts"
import type { SearchFields } from "./search-entries.ts"

/** The indexes that a schema declares for a table. Staged indexes are not created, as they are not in use yet. */
export interface TableIndexes {
  readonly indexes: ReadonlyArray<{ readonly indexDescriptor: string; readonly fields: ReadonlyArray<string> }>
  readonly searchIndexes?: ReadonlyArray<SearchFields & { readonly indexDescriptor: string }>
}

/** Fails with `InvalidFunctions`. */
export const checkIndexes = (table: string, { indexes, searchIndexes = [] }: TableIndexes): void => {
  const invalid = (why: string) =>
    new ConvexEmbeddedError("InvalidFunctions", `The schema is not valid: table "${table}" ${why}.`)
  const names = [...indexes, ...searchIndexes].map(({ indexDescriptor }) => indexDescriptor)
  if (names.length > limits.indexes) throw invalid(`has more than ${limits.indexes} indexes`)
  if (searchIndexes.length > limits.searchIndexes) {
    throw invalid(`has more than ${limits.searchIndexes} search indexes`)
  }
  for (const [i, name] of names.entries()) {
    if (names.indexOf(name) !== i) throw invalid(`has two indexes named "${name}"`)
    if (!/^[a-zA-Z][a-zA-Z0-9_]{0,63}$/.test(name) || name === "by_id" || name === "by_creation_time") {
      throw invalid(
        `has an index named "${name}": a name is at most 64 letters, digits and underscores, starts with a letter, and is not by_id or by_creation_time`
      )
    }
  }
  const checkFields = (name: string, fields: ReadonlyArray<string>) => {
    if (fields.length > limits.indexFields) {
      throw invalid(`has more than ${limits.indexFields} fields in the index "${name}"`)
    }
    if (new Set(fields).size < fields.length) throw invalid(`has a field twice in the index "${name}"`)
  }
  for (const { filterFields, indexDescriptor } of searchIndexes) checkFields(indexDescriptor, filterFields)
  for (const { fields, indexDescriptor } of indexes) {
    checkFields(indexDescriptor, fields)
    const reserved = fields.find((field) => field.startsWith("_"))
    if (reserved !== undefined) throw invalid(`has the system field ${reserved} in the index "${indexDescriptor}"`)
  }
}
