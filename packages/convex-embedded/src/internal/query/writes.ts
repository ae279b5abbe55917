/** The writes of `ctx.db`, with the checks of Convex; and those of the deployment to its system tables. */
import type { JSONValue } from "convex/values"
import type { Catalog, Table } from "../storage/catalog.ts"
import { type Existing, existing } from "../storage/documents.ts"
import { newId } from "../values/ids.ts"
import { limits } from "../values/limits.ts"
import { mismatch } from "../values/validators.ts"
import { checkStorable, type Document, type Fields, fromJson, sizeOf, stringify } from "../values/values.ts"
import type { Transaction } from "./transaction.ts"

/** Returns the id of the new document. */
export const insert = (transaction: Transaction, tableName: string, json: JSONValue): string => {
  assertWritable(tableName)
  transaction.begin()
  const table = transaction.catalog.table(tableName)
  return create(transaction, table, checkStorable(fromJson(json)))
}

export const patch = (transaction: Transaction, id: string, json: { readonly [field: string]: JSONValue }): void => {
  const { before, table } = find(transaction, id, "Update")
  const changes = Object.entries(json).map(([field, value]) => [field, fromJson(value)] as const)
  const merged = Object.entries({ ...before.document, ...Object.fromEntries(changes) })
  replaceFields(transaction, table, before, Object.fromEntries(merged.filter(([, value]) => value !== undefined)))
}

export const replace = (transaction: Transaction, id: string, json: JSONValue): void => {
  const { before, table } = find(transaction, id, "Replace")
  replaceFields(transaction, table, before, fromJson(json) as Fields)
}

/** Returns the deleted document as JSON. */
export const remove = (transaction: Transaction, id: string): string => {
  const { before, json, table } = find(transaction, id, "Delete")
  transaction.write(table, before, null)
  return json
}

/** Inserts a document that may have an `_id` and `_creationTime`; it replaces the document with this `_id`. */
export const importDocument = (transaction: Transaction, tableName: string, json: JSONValue): void => {
  assertWritable(tableName)
  transaction.begin()
  const table = transaction.catalog.table(tableName)
  const { _creationTime, _id, ...fields } = fromJson(json) as Fields
  const next = transaction.nextCreationTime()
  const id = typeof _id === "string" && transaction.catalog.isId(_id, tableName) ? _id : newId(table.number, next)
  const before = transaction.peek(table, id)
  const created = typeof _creationTime === "number" ? _creationTime : next
  const document = { ...checkStorable(fields), _id: id, _creationTime: created }
  put(transaction, table, before && existing(before), document)
}

/** Inserts into a system table, which functions cannot. Returns the id. */
export const insertSystem = (transaction: Transaction, tableName: string, fields: Fields): string =>
  create(transaction, transaction.catalog.table(tableName), fields)

/** Replaces the document with the same id, in any table. */
export const replaceSystem = (transaction: Transaction, document: Document): void => {
  const { before, table } = findStored(transaction, document)
  put(transaction, table, before, document)
}

/** Deletes a document of any table. */
export const removeSystem = (transaction: Transaction, document: Document): void => {
  const { before, table } = findStored(transaction, document)
  transaction.write(table, before, null)
}

const create = (transaction: Transaction, table: Table, fields: Fields): string => {
  const created = transaction.nextCreationTime()
  const id = newId(table.number, created)
  put(transaction, table, null, { ...fields, _id: id, _creationTime: created })
  return id
}

const find = (transaction: Transaction, id: string, verb: string) => {
  const table = transaction.catalog.tableOf(id)
  const found = table === null ? null : transaction.read(table, id)
  if (table === null || found === null) throw new Error(`${verb} on nonexistent document ID ${id}`)
  assertWritable(table.name)
  return { before: existing(found), json: found.json, table }
}

const findStored = (transaction: Transaction, { _id }: Document) => {
  const table = transaction.catalog.tableOf(_id)!
  return { before: existing(transaction.peek(table, _id)!), table }
}

/** `value` may contain the system fields of the document, if they are unchanged. */
const replaceFields = (transaction: Transaction, table: Table, before: Existing, value: Fields): void => {
  const { document } = before
  const { _creationTime, _id, ...fields } = value
  if ((_id ?? document._id) !== document._id || (_creationTime ?? document._creationTime) !== document._creationTime) {
    throw new Error(`The system fields '_id' and '_creationTime' of a document cannot be changed: ${document._id}`)
  }
  put(transaction, table, before, {
    ...checkStorable(fields),
    _id: document._id,
    _creationTime: document._creationTime
  })
}

const put = (transaction: Transaction, table: Table, before: Existing | null, document: Document): void =>
  transaction.write(table, before, { document, json: encode(transaction.catalog, table, document) })

const encode = (catalog: Catalog, table: Table, document: Document): string => {
  const { _creationTime, _id, ...fields } = document
  const reason = table.validator === null ? null : mismatch(table.validator, fields, catalog.isId)
  if (reason !== null) {
    throw new Error(
      `Failed to insert or update a document in table "${table.name}" because it does not match the schema: ${reason}`
    )
  }
  const size = sizeOf(document)
  // A scheduled function may be larger, because of its arguments.
  if (size > limits.documentBytes && !table.name.startsWith("_")) {
    throw new Error(`Value is too large (${size} bytes > maximum size ${limits.documentBytes} bytes)`)
  }
  return stringify(document)
}

const assertWritable = (tableName: string): void => {
  if (tableName.startsWith("_")) throw new Error("System tables (prefixed with `_`) are read-only.")
}
