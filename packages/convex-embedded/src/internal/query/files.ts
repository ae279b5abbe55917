/** File storage: a file is a document of a system table and its content, written in one transaction. */
import { createHash } from "node:crypto"
import { STORAGE } from "../storage/catalog.ts"
import type { Transaction } from "./transaction.ts"
import { type Document, parseDocument } from "../values/values.ts"
import { insertSystem, removeSystem } from "./writes.ts"

interface StoredFile extends Document {
  /** In base 64, as in Convex; `getMetadata` returns it in hexadecimal. */
  readonly sha256: string
  readonly size: number
  readonly contentType?: string
}

export interface FileContent {
  readonly bytes: Uint8Array
  readonly contentType: string | null
}

export interface FileInfo {
  readonly contentType: string | null
  /** In base 64. */
  readonly sha256: string
  readonly size: number
}

/** Stores a file and returns its id. `sha256`: the expected digest in base 64. */
export const storeFile = (transaction: Transaction, { bytes, contentType }: FileContent, sha256?: string): string => {
  const digest = createHash("sha256").update(bytes).digest("base64")
  if (sha256 !== undefined && sha256 !== digest) {
    throw new Error(`The SHA-256 of the file is ${digest}, not ${sha256}.`)
  }
  const id = insertSystem(transaction, STORAGE, {
    ...(contentType === null ? {} : { contentType }),
    sha256: digest,
    size: bytes.byteLength
  })
  transaction.putFile(id, bytes)
  return id
}

export const fileInfo = (transaction: Transaction, id: string): FileInfo | null => {
  const file = describeFile(transaction, id)
  if (file === null) return null
  return { contentType: file.contentType ?? null, sha256: file.sha256, size: file.size }
}

/** Reads a file, or its bytes from `start` to `end`, exclusive. */
export const readFile = (
  transaction: Transaction,
  id: string,
  range?: { readonly start: number; readonly end: number }
): FileContent | null => {
  const info = fileInfo(transaction, id)
  const bytes = info === null ? null : transaction.file(id, range)
  return info === null || bytes === null ? null : { bytes, contentType: info.contentType }
}

export const deleteFile = (transaction: Transaction, id: string): void => {
  const file = describeFile(transaction, id)
  if (file === null) throw new Error(`Delete on nonexistent file ${id}`)
  removeSystem(transaction, file)
  transaction.deleteFile(id)
}

/** `null` if there is no file with this id. */
export const describeFile = (transaction: Transaction, id: string): StoredFile | null => {
  if (!transaction.catalog.isId(id, STORAGE)) return null
  const json = transaction.get(id)
  return json === null ? null : (parseDocument(json) as StoredFile)
}

/** The result of `ctx.storage.getMetadata`. */
export const fileMetadata = (transaction: Transaction, id: string): object | null => {
  const file = describeFile(transaction, id)
  if (file === null) return null
  const sha256 = Buffer.from(file.sha256, "base64").toString("hex")
  return { contentType: file.contentType ?? null, sha256, size: file.size, storageId: id }
}
