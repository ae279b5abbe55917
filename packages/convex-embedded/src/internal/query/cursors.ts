/**
 * Cursors: positions in the result of a query, which clients pass from page to page.
 *
 * A cursor is encrypted and authenticated with a key of the data file, and bound to its query: the table or index with its
 * fields, the range, the order and the filters. It survives restarts and changes of the function around the query, reveals
 * no index keys, and is rejected by any other query. Equal positions have equal cursors, which reactive pages require: the
 * initialization vector is derived from the text (as in AES-SIV).
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, timingSafeEqual } from "node:crypto"
import type { Key } from "../values/keys.ts"

/** Before the first document, after the last one, or after the one with this key. */
export type Position = "start" | "end" | Key

const MARKS = { start: 0, end: 1, after: 2 } as const
const IV_BYTES = 16
const CIPHER = "aes-256-ctr"

/** The cursors of one query. */
export interface QueryCursors {
  readonly seal: (position: Position) => string
  /** Fails with InvalidCursor if this is not a cursor of this query. */
  readonly open: (cursor: string) => Position
}

export class Cursors {
  readonly #encryptionKey: Buffer
  readonly #authenticationKey: Buffer

  constructor(secret: Uint8Array) {
    const derive = (use: string) => createHmac("sha256", secret).update(`cursors: ${use}`).digest()
    this.#encryptionKey = derive("encryption")
    this.#authenticationKey = derive("authentication")
  }

  /** `description`: everything that identifies the query. */
  of(description: unknown): QueryCursors {
    const query = createHash("sha256").update(JSON.stringify(description)).digest()
    const vectorOf = (content: Buffer) =>
      createHmac("sha256", this.#authenticationKey).update(query).update(content).digest().subarray(0, IV_BYTES)
    return {
      open: (cursor) => {
        const bytes = Buffer.from(cursor, "base64url")
        // Only the canonical text is accepted, so that each position has one cursor.
        if (bytes.length <= IV_BYTES || bytes.toString("base64url") !== cursor) throw invalidCursor()
        const vector = bytes.subarray(0, IV_BYTES)
        const decipher = createDecipheriv(CIPHER, this.#encryptionKey, vector)
        const content = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES)), decipher.final()])
        if (!timingSafeEqual(vectorOf(content), vector)) throw invalidCursor()
        return positionOf(content)
      },
      seal: (position) => {
        const content = contentOf(position)
        const vector = vectorOf(content)
        const cipher = createCipheriv(CIPHER, this.#encryptionKey, vector)
        return Buffer.concat([vector, cipher.update(content), cipher.final()]).toString("base64url")
      }
    }
  }
}

const contentOf = (position: Position): Buffer =>
  typeof position === "string" ? Buffer.from([MARKS[position]]) : Buffer.concat([Buffer.from([MARKS.after]), position])

const positionOf = (content: Buffer): Position => {
  if (content[0] === MARKS.after) return content.subarray(1)
  return content[0] === MARKS.start ? "start" : "end"
}

/** Convex clients recognise the data of this error, and restart from the first page. */
const invalidCursor = (): Error =>
  Object.assign(
    new Error(
      "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query, " +
        "or damaged. Start over from the first page: with the cursor null."
    ),
    { data: { isConvexSystemError: true, paginationError: "InvalidCursor" } }
  )
