/** The URLs of files and uploads. */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"

const UPLOAD_MILLIS = 3_600_000

/** Upload URLs are valid for an hour, and only until the deployment stops. */
export class FileUrls {
  readonly #secret: Uint8Array
  readonly origin: string

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
