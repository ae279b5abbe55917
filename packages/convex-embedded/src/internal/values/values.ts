/** Values and documents: their encoding, their fields, and the checks of Convex that do not depend on a schema. */
import { convexToJson, jsonToConvex, type JSONValue, type Value } from "convex/values"
import { tooNested } from "./json.ts"
import { limits } from "./limits.ts"

export type Fields = { readonly [field: string]: Value | undefined }
export type Document = Fields & { readonly _id: string; readonly _creationTime: number }

/** Values are passed to and from functions as JSON; `{"$undefined": null}` stands for `undefined`. */
export const fromJson = (json: JSONValue): Value | undefined =>
  json !== null && typeof json === "object" && "$undefined" in json ? undefined : jsonToConvex(json)

export const parseDocument = (json: string): Document => jsonToConvex(JSON.parse(json) as JSONValue) as Document
export const stringify = (value: Value): string => JSON.stringify(convexToJson(value))

/** The size of a value as Convex counts it for limits, in bytes: independent of its encoding. */
export const sizeOf = (value: Value | undefined): number => {
  if (value === undefined) return 0
  if (value === null || typeof value === "boolean") return 1
  if (typeof value === "string") return 2 + Buffer.byteLength(value)
  if (typeof value !== "object") return 9
  if (value instanceof ArrayBuffer) return 2 + value.byteLength
  if (Array.isArray(value)) return value.reduce((sum: number, element) => sum + sizeOf(element), 2)
  const fields = Object.entries(value).filter(([, field]) => field !== undefined)
  return fields.reduce((sum, [name, field]) => sum + Buffer.byteLength(name) + 1 + sizeOf(field), 2)
}

/** The value at a path such as `author.name`; `undefined` if a field is missing. */
export const fieldAt = (document: Fields, path: string): Value | undefined => {
  if (!path.includes(".")) return ownField(document, path)
  let value: Value | undefined = document
  for (const field of path.split(".")) {
    if (value === null || typeof value !== "object" || Array.isArray(value) || value instanceof ArrayBuffer) {
      return undefined
    }
    value = ownField(value as Fields, field)
  }
  return value
}

/** Ignores inherited properties such as `constructor`. */
const ownField = (fields: Fields, name: string): Value | undefined =>
  Object.hasOwn(fields, name) ? fields[name] : undefined

/** Throws unless `value` can be a document without system fields. */
export const checkStorable = (value: Value | undefined): Fields => {
  if (value === null || typeof value !== "object" || Array.isArray(value) || value instanceof ArrayBuffer) {
    throw new Error(`Value must be an Object: ${typeOf(value)}`)
  }
  for (const field of Object.keys(value)) {
    if (field.startsWith("_")) {
      throw new Error(`Field '${field}' starts with an underscore, which is only allowed for system fields like '_id'`)
    }
  }
  checkShape(value, limits.documentNesting, "Document")
  return value as Fields
}

/** Throws unless these can be the arguments of a function; their list counts as a level. */
export const checkPassable = (args: ReadonlyArray<Value | undefined>): void => checkShape(args, limits.nesting, "Value")

type Shape = Value | undefined | ReadonlyArray<Value | undefined>

/** `most`: the maximum nesting of a `what`; `depth`: the level of `value`. */
const checkShape = (value: Shape, most: number, what: string, depth = 1): void => {
  if (value === null || typeof value !== "object" || value instanceof ArrayBuffer) return
  if (depth > most) throw new Error(tooNested(what, depth, most))
  if (Array.isArray(value)) {
    if (value.length > limits.arrayElements) {
      throw new Error(`Array length is too long (${value.length} > maximum length ${limits.arrayElements})`)
    }
    for (const element of value) checkShape(element, most, what, depth + 1)
    return
  }
  const fields = Object.values(value as Fields)
  if (fields.length > limits.documentFields) {
    throw new Error(`Object has too many fields (${fields.length} > maximum number ${limits.documentFields})`)
  }
  for (const field of fields) checkShape(field, most, what, depth + 1)
}

/** The type of a value for messages; of an object also the names and types of its fields. */
export const typeOf = (value: Value | undefined): string => {
  if (!isPlainObject(value)) return shortTypeOf(value)
  const fields = Object.entries(value).map(([name, field]) => `${name}: ${shortTypeOf(field)}`)
  const shown = `{${fields.slice(0, SHOWN_FIELDS).join(", ")}${fields.length > SHOWN_FIELDS ? ", …" : ""}}`
  return shown.length > SHOWN_CHARACTERS ? `${shown.slice(0, SHOWN_CHARACTERS)}…` : shown
}

const SHOWN_FIELDS = 20
const SHOWN_CHARACTERS = 300

const shortTypeOf = (value: Value | undefined): string => {
  if (value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return `array of length ${value.length}`
  if (value instanceof ArrayBuffer) return "bytes"
  if (typeof value === "number") return "float64"
  return typeof value === "bigint" ? "int64" : typeof value
}

export const isPlainObject = (value: Value | undefined): value is Value & Fields =>
  value !== null && typeof value === "object" && !Array.isArray(value) && !(value instanceof ArrayBuffer)
