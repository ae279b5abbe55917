/** The configuration file: JSON with comments. Its schema is derived from the settings. Pure. */
import { findNodeAtLocation, type ParseError, parseTree, getNodeValue, printParseErrorCode } from "jsonc-parser"
import { Result, Schema, SchemaIssue, SchemaParser } from "effect"
import type { Settings, Values } from "./Setting.ts"
import { directorySettings, place, processSettings } from "./settings.ts"

type Fields<S extends Settings> = {
  readonly [Name in keyof S]: Schema.optionalKey<Schema.Codec<NonNullable<Values<S>[Name]>>>
}

const fieldsOf = <S extends Settings>(settings: S) =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one field per setting
  Object.fromEntries(
    Object.entries(settings).map(([name, { schema }]) => [name, Schema.optionalKey(schema)])
  ) as unknown as Fields<S>

export const ConfigFile = Schema.Struct({
  $schema: Schema.optionalKey(Schema.String.annotate({ description: "The JSON Schema of this file" })),
  ...fieldsOf(directorySettings),
  ...fieldsOf(processSettings),
  directories: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        directory: Schema.String.annotate({ description: place.directory.description }),
        ...fieldsOf(directorySettings)
      }).annotate({ description: "The settings of one directory. A missing one has the value at the top of this file" })
    ).annotate({ description: "The directories that opencode-worker start hosts in one process" })
  )
}).annotate({ title: "Configuration of opencode-worker", identifier: "OpencodeWorkerConfig" })
export type ConfigFile = typeof ConfigFile.Type

/** The JSON Schema of the file. */
export const configJsonSchema = () => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(ConfigFile, { onExcessProperty: "error" })
  return { $schema: "https://json-schema.org/draft/2020-12/schema", ...schema, $defs: definitions }
}

/** `3:14`, counted from 1. */
const positionOf = (text: string, offset: number): string => {
  const before = text.slice(0, offset).split("\n")
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`
}

const decode = SchemaParser.decodeUnknownResult(ConfigFile)
const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** Fails with a sentence that names the line. It quotes no value, which could be a secret in the wrong place. */
export const parseConfig = (text: string, path: string): Result.Result<ConfigFile, string> => {
  const errors: Array<ParseError> = []
  const root = parseTree(text, errors, { allowTrailingComma: true, allowEmptyContent: true })
  const [error] = errors
  if (error !== undefined) {
    return Result.fail(`${path}:${positionOf(text, error.offset)}: ${printParseErrorCode(error.error)}.`)
  }
  if (root === undefined) return Result.succeed({})
  return Result.mapError(decode(getNodeValue(root), { onExcessProperty: "error" }), (issue) => {
    const [first] = format(issue).issues
    const keys = (first?.path ?? []).map((part) => {
      const key = typeof part === "object" ? part.key : part
      return typeof key === "number" ? key : String(key)
    })
    const node = findNodeAtLocation(root, keys) ?? root
    const name = keys.length === 0 ? "the file" : keys.join(".")
    return `${path}:${positionOf(text, node.offset)}: ${name}: ${first?.message ?? "is not accepted"}.`
  })
}
