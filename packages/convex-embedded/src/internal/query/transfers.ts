/** Export and import of a table as JSON lines: one document per line, as Convex encodes it, with its `_id` and `_creationTime`. */
import { closeSync, writeSync } from "node:fs"
import { open } from "node:fs/promises"
import type { JSONValue } from "convex/values"
import { createPrivateFile } from "../../PrivateFiles.ts"
import { messageOf } from "../values/errors.ts"
import { parseJson } from "../values/json.ts"
import { HIGHEST, LOWEST } from "../values/keys.ts"
import type { Transaction } from "./transaction.ts"
import { parseDocument } from "../values/values.ts"
import { importDocument, removeSystem } from "./writes.ts"

/** `append` keeps the documents of the table; `replace` deletes them first. */
export type ImportMode = "append" | "replace"

/**
 * Writes a table to a file, as of one commit, in the order of creation. Returns the number of documents. The transaction
 * should be unlimited.
 */
export const exportTable = (transaction: Transaction, table: string, file: string): number => {
  const descriptor = createPrivateFile(file)
  if (descriptor === null) throw new Error(`The file ${file} exists.`)
  try {
    let count = 0
    for (const json of documentsOf(transaction, table)) {
      writeSync(descriptor, `${json}\n`)
      count++
    }
    return count
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Writes the documents of a file to a table, checked against the schema. A document with an `_id` of this table keeps it
 * and replaces the document with this id; others are assigned one. Returns the number of lines.
 */
export const importTable = async (
  transaction: Transaction,
  table: string,
  file: string,
  mode: ImportMode
): Promise<number> => {
  if (mode === "replace") {
    for (const json of documentsOf(transaction, table)) removeSystem(transaction, parseDocument(json))
  }
  let count = 0
  await using handle = await open(file)
  for await (const line of handle.readLines()) {
    count++
    if (line.trim() === "") continue
    try {
      importDocument(transaction, table, parseJson(line) as JSONValue)
    } catch (cause) {
      throw new Error(`Line ${count}: ${messageOf(cause)}`, { cause })
    }
  }
  return count
}

/** Fails for unknown tables and for system tables. */
function* documentsOf(transaction: Transaction, table: string): Generator<string> {
  if (!transaction.catalog.has(table) || table.startsWith("_")) throw new Error(`There is no table '${table}'.`)
  const index = transaction.catalog.table(table).indexes.get("by_creation_time")!
  for (const { json } of transaction.scan({ high: HIGHEST, index, low: LOWEST }, "asc", 64)) yield json
}
