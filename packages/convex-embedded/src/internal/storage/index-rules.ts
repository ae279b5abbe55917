/** The rules of Convex for the indexes of a table. */
import type { ValidatorJSON } from "convex/values"
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import { limits } from "../values/limits.ts"
import type { SearchFields } from "./search-entries.ts"

/** The indexes that a schema declares for a table. Staged indexes are not created, as they are not in use yet. */
export interface TableIndexes {
  readonly indexes: ReadonlyArray<{ readonly indexDescriptor: string; readonly fields: ReadonlyArray<string> }>
  readonly searchIndexes?: ReadonlyArray<SearchFields & { readonly indexDescriptor: string }>
}

/** `documents`: the validator of the documents; `null` if they are not validated. Fails with `InvalidFunctions`. */
export const checkIndexes = (
  table: string,
  { indexes, searchIndexes = [] }: TableIndexes,
  documents: ValidatorJSON | null
): void => {
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
    checkExist(name, fields)
  }
  const checkExist = (name: string, fields: ReadonlyArray<string>) => {
    const missing = fields.find((field) => documents !== null && !canContain(documents, field.split(".")))
    if (missing !== undefined)
      throw invalid(`has the field ${missing} in the index "${name}", but not in its documents`)
  }
  for (const { filterFields, indexDescriptor, searchField } of searchIndexes) {
    checkFields(indexDescriptor, filterFields)
    checkExist(indexDescriptor, [searchField])
  }
  for (const { fields, indexDescriptor } of indexes) {
    const reserved = fields.find((field) => field.startsWith("_"))
    if (reserved !== undefined) throw invalid(`has the system field ${reserved} in the index "${indexDescriptor}"`)
    checkFields(indexDescriptor, fields)
  }
}

/** Whether some valid document has this field. System fields are in all documents. */
const canContain = (validator: ValidatorJSON, [name, ...rest]: ReadonlyArray<string>): boolean => {
  if (name === undefined || validator.type === "any" || name.startsWith("_")) return true
  if (validator.type === "union") return validator.value.some((member) => canContain(member, [name, ...rest]))
  if (validator.type !== "object" || !Object.hasOwn(validator.value, name)) return false
  return canContain(validator.value[name]!.fieldType, rest)
}
