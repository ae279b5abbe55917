/** File storage: contents beside the documents of the system table that describes them, in the same transactions. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { STORAGE } from "./catalog.ts"
import type { Transaction } from "./transaction.ts"
import { type Document, parseDocument } from "./values.ts"

interface StoredFile extends Document {
  /** Hexadecimal. */
  readonly sha256: string
  readonly size: number
  readonly contentType?: string
}

export interface FileContent {
  readonly bytes: Uint8Array
  readonly contentType: string | null
}

export interface FoundFile extends FileContent {
  /** In base 64. */
  readonly sha256: string
}

/** Stores a file under a new ID. `sha256`, in base 64, is what the sender says it should be. */
export const storeFile = (transaction: Transaction, { bytes, contentType }: FileContent, sha256?: string): string => {
  const digest = createHash("sha256").update(bytes).digest()
  if (sha256 !== undefined && sha256 !== digest.toString("base64")) {
    throw new Error(`The SHA-256 of the file is ${digest.toString("base64")}, not ${sha256}.`)
  }
  const id = transaction.insertSystem(STORAGE, {
    ...(contentType === null ? {} : { contentType }),
    sha256: digest.toString("hex"),
    size: bytes.byteLength
  })
  transaction.putFile(id, bytes)
  return id
}

export const readFile = (transaction: Transaction, id: string): FoundFile | null => {
  const file = describeFile(transaction, id)
  const bytes = file === null ? null : transaction.file(id)
  if (file === null || bytes === null) return null
  return { bytes, contentType: file.contentType ?? null, sha256: Buffer.from(file.sha256, "hex").toString("base64") }
}

export const deleteFile = (transaction: Transaction, id: string): void => {
  const file = describeFile(transaction, id)
  if (file === null) throw new Error(`Delete on nonexistent file ${id}`)
  transaction.removeSystem(file)
  transaction.deleteFile(id)
}

/** `null` for what is not the ID of a file. */
export const describeFile = (transaction: Transaction, id: string): StoredFile | null => {
  if (!transaction.catalog.isId(id, STORAGE)) return null
  const json = transaction.get(id)
  return json === null ? null : (parseDocument(json) as StoredFile)
}

/** As `ctx.storage.getMetadata` gives it. */
export const fileMetadata = (transaction: Transaction, id: string): object | null => {
  const file = describeFile(transaction, id)
  if (file === null) return null
  return { contentType: file.contentType ?? null, sha256: file.sha256, size: file.size, storageId: id }
}

const UPLOAD_MILLIS = 3_600_000

/** The URLs of files and uploads. Those of uploads are good for an hour, and until the deployment ends. */
export class FileUrls {
  readonly #secret: Uint8Array
  /** Known as soon as the deployment listens, before any function runs. */
  origin: string

  constructor(secret: Uint8Array, origin: string) {
    this.#secret = secret
    this.origin = origin
  }

  static secret(): Uint8Array {
    return randomBytes(32)
  }

  file(id: string): string {
    return `${this.origin}${FILES_PATH}${id}`
  }

  upload(): string {
    const expires = String(Date.now() + UPLOAD_MILLIS)
    return `${this.origin}${UPLOAD_PATH}?token=${expires}.${this.#sign(expires).toString("hex")}`
  }

  isUpload(token: string): boolean {
    const [expires = "", signature = ""] = token.split(".")
    const given = Buffer.from(signature, "hex")
    const expected = this.#sign(expires)
    return given.length === expected.length && timingSafeEqual(given, expected) && Number(expires) > Date.now()
  }

  #sign(expires: string): Buffer {
    return createHmac("sha256", this.#secret).update(expires).digest()
  }
}

export const UPLOAD_PATH = "/api/storage/upload"
export const FILES_PATH = "/api/storage/"
