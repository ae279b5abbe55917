/**
 * Convex validators. Failures are worded as in Convex, but show types where Convex shows values: a value may be a secret,
 * and failures are logged.
 */
import { jsonToConvex, type ObjectFieldType, type ValidatorJSON, type Value } from "convex/values"
import { HANDLE } from "./function-path.ts"
import { type Fields, isPlainObject, typeOf } from "./values.ts"

/** Whether `id` is an id of the table with this name. */
export type IdCheck = (id: string, tableName: string) => boolean

/** Returns `null` if `value` matches; otherwise the reason, on several lines. */
export const mismatch = (validator: ValidatorJSON, value: Value | undefined, isId: IdCheck): string | null =>
  check(validator, value, "", isId)

const check = (validator: ValidatorJSON, value: Value | undefined, path: string, isId: IdCheck): string | null => {
  const expect = (matches: boolean) => (matches ? null : noMatch(validator, value, path))
  switch (validator.type) {
    case "any":
      return expect(value !== undefined)
    case "null":
      return expect(value === null)
    case "number":
      return expect(typeof value === "number")
    case "bigint":
    // Placeholders were replaced before.
    case "commitTs":
      return expect(typeof value === "bigint")
    case "boolean":
      return expect(typeof value === "boolean")
    case "string":
      return expect(typeof value === "string")
    case "bytes":
      return expect(value instanceof ArrayBuffer)
    // As in Convex, the kind, arguments and result of the function are not checked.
    case "function":
      return expect(typeof value === "string" && value.startsWith(HANDLE))
    case "literal":
      return expect(value === jsonToConvex(validator.value))
    case "id": {
      if (typeof value !== "string") return expect(false)
      if (isId(value, validator.tableName)) return null
      return located(
        `Found a string that is not an ID of the table in validator \`v.id("${validator.tableName}")\`.`,
        validator,
        value,
        path
      )
    }
    case "array":
      return Array.isArray(value)
        ? first(value, (element, index) => check(validator.value, element, `${path}[${index}]`, isId))
        : expect(false)
    case "record":
      if (!isPlainObject(value)) return expect(false)
      return first(
        Object.entries(value),
        ([key, field]) =>
          check(validator.keys, key, `${path}.${key}`, isId) ??
          check(validator.values.fieldType, field, `${path}.${key}`, isId)
      )
    case "object":
      return isPlainObject(value) ? checkFields(validator, value, path, isId) : expect(false)
    case "union":
      break
  }
  return expect(validator.value.some((member) => check(member, value, path, isId) === null))
}

type ObjectValidator = Extract<ValidatorJSON, { type: "object" }>

const checkFields = (validator: ObjectValidator, value: Fields, path: string, isId: IdCheck): string | null => {
  const about = () => `${at(path)}\nObject: ${typeOf(value)}\nValidator: ${render(validator)}`
  for (const [name, field] of Object.entries(validator.value)) {
    const given = Object.hasOwn(value, name) ? value[name] : undefined
    if (given === undefined) {
      if (field.optional) continue
      return `Object is missing the required field \`${name}\`. Consider wrapping the field validator in \`v.optional(...)\` if this is expected.\n${about()}`
    }
    const reason = check(field.fieldType, given, `${path}.${name}`, isId)
    if (reason !== null) return reason
  }
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(validator.value, name) && value[name] !== undefined) {
      return `Object contains extra field \`${name}\` that is not in the validator.\n${about()}`
    }
  }
  return null
}

const first = <A>(items: ReadonlyArray<A>, reason: (item: A, index: number) => string | null): string | null => {
  for (const [index, item] of items.entries()) {
    const found = reason(item, index)
    if (found !== null) return found
  }
  return null
}

const noMatch = (validator: ValidatorJSON, value: Value | undefined, path: string) =>
  located("Value does not match validator.", validator, value, path)

const located = (what: string, validator: ValidatorJSON, value: Value | undefined, path: string) =>
  `${what}${at(path)}\nValue: ${typeOf(value)}\nValidator: ${render(validator)}`

const at = (path: string) => (path === "" ? "" : `\nPath: ${path}`)

/** The validator as it is written in a schema. */
const render = (validator: ValidatorJSON): string => {
  switch (validator.type) {
    case "number":
      return "v.float64()"
    case "bigint":
      return "v.int64()"
    case "literal":
      return `v.literal(${literal(jsonToConvex(validator.value))})`
    case "id":
      return `v.id("${validator.tableName}")`
    case "array":
      return `v.array(${render(validator.value)})`
    case "record":
      return `v.record(${render(validator.keys)}, ${render(validator.values.fieldType)})`
    case "object":
      return `v.object({${Object.entries(validator.value)
        .map(([name, field]) => `${name}: ${renderField(field)}`)
        .join(", ")}})`
    case "union":
      return `v.union(${validator.value.map(render).join(", ")})`
    default:
      return `v.${validator.type}()`
  }
}

const literal = (value: Value): string => (typeof value === "bigint" ? `${value}n` : JSON.stringify(value))

const renderField = (field: ObjectFieldType) =>
  field.optional ? `v.optional(${render(field.fieldType)})` : render(field.fieldType)
