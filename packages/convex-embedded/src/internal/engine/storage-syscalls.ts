/** The system calls of `ctx.storage`. */
import { deleteFile, describeFile, fileMetadata, readFile, storeFile } from "../query/files.ts"
import type { Transaction } from "../query/transaction.ts"
import type { FileUrls } from "./file-urls.ts"

interface StorageArgument {
  readonly storageId: string
  /** The content in base 64. */
  readonly blob: string
  readonly contentType?: string
  readonly sha256?: string
}

type StorageOperation = (fileUrls: FileUrls, transaction: Transaction, argument: StorageArgument) => string

/** The same in all kinds of functions, except for blobs in actions. */
const storageOperations: Record<string, StorageOperation> = {
  "1.0/storageDelete": (_, transaction, { storageId }) => {
    deleteFile(transaction, storageId)
    return "null"
  },
  "1.0/storageGenerateUploadUrl": (fileUrls) => JSON.stringify(fileUrls.upload()),
  "1.0/storageGet": (_, transaction, { storageId }) => {
    const found = readFile(transaction, storageId)
    if (found === null) return "null"
    return JSON.stringify({ blob: Buffer.from(found.bytes).toString("base64"), contentType: found.contentType })
  },
  "1.0/storageGetMetadata": (_, transaction, { storageId }) => JSON.stringify(fileMetadata(transaction, storageId)),
  "1.0/storageGetUrl": (fileUrls, transaction, { storageId }) =>
    JSON.stringify(describeFile(transaction, storageId) === null ? null : fileUrls.file(storageId)),
  "1.0/storageStore": (_, transaction, { blob, contentType, sha256 }) => {
    const content = { bytes: Buffer.from(blob, "base64"), contentType: contentType || null }
    return JSON.stringify(storeFile(transaction, content, sha256))
  }
}

/** `null` if this is not an operation of `ctx.storage`. */
export const dispatchStorage = (
  fileUrls: FileUrls,
  transaction: Transaction,
  name: string,
  argument: string
): string | null =>
  Object.hasOwn(storageOperations, name)
    ? storageOperations[name]!(fileUrls, transaction, JSON.parse(argument) as StorageArgument)
    : null
