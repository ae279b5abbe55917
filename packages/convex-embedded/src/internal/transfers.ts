/** A table as JSON lines: one document a line, as Convex encodes it, with its `_id` and `_creationTime`. */
import { closeSync, writeSync } from "node:fs"
import { open } from "node:fs/promises"
import type { JSONValue } from "convex/values"
import { createPrivateFile } from "../PrivateFiles.ts"
import type { Engine } from "./engine.ts"
import { messageOf } from "./errors.ts"
import { parseJson } from "./json.ts"
import { HIGHEST, LOWEST } from "./keys.ts"
import type { Transaction } from "./transaction.ts"
import { parseDocument } from "./values.ts"

/** `append`: to what is there; `replace`: in place of it. */
export type ImportMode = "append" | "replace"

/** Writes a table to a file, as of one commit, in the order of creation. Gives the number of documents. */
export const exportTable = (engine: Engine, table: string, file: string): Promise<number> =>
  engine.writeUnlimited((transaction) => {
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
  })

/**
 * Writes the documents of a file to a table, all or none, checked against the schema. A document with an `_id` of this
 * table keeps it, and takes the place of the one that has it; others get a new one.
 */
export const importTable = (engine: Engine, table: string, file: string, mode: ImportMode): Promise<number> =>
  engine.writeUnlimited(async (transaction) => {
    if (mode === "replace") {
      for (const json of documentsOf(transaction, table)) transaction.removeSystem(parseDocument(json))
    }
    let count = 0
    await using handle = await open(file)
    for await (const line of handle.readLines()) {
      count++
      if (line.trim() === "") continue
      try {
        transaction.importDocument(table, parseJson(line) as JSONValue)
      } catch (cause) {
        throw new Error(`Line ${count}: ${messageOf(cause)}`, { cause })
      }
    }
    return count
  })

/** Fails for a table that nobody has used, and for those of the system. */
function* documentsOf(transaction: Transaction, table: string): Generator<string> {
  if (!transaction.catalog.has(table) || table.startsWith("_")) throw new Error(`There is no table '${table}'.`)
  const index = transaction.catalog.table(table).indexes.get("by_creation_time")!
  for (const { json } of transaction.scan({ high: HIGHEST, index, low: LOWEST }, "asc", 64)) yield json
}
