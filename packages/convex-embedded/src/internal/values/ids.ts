/**
 * Document ids: the table's number, the creation time, random bytes and a checksum, in lower-case base 32.
 *
 * Invariants
 * - A table's number never changes (see `Catalog`), so an id always belongs to the same table.
 * - Ids of one table have one length, and ascend with their creation times: documents that are created together are close
 *   in the index of ids. 72 random bits make ids unguessable.
 */
import { randomFillSync } from "node:crypto"

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
const TIME_BYTES = 7
const RANDOM_BYTES = 9
const BODY_BYTES = TIME_BYTES + RANDOM_BYTES
const CHECKSUM_BYTES = 2

/** Milliseconds between simultaneous creations: the smallest step that a double distinguishes until the year 2248. */
export const CREATION_STEP = 2 ** -10

/** `creationTime`: milliseconds since 1970, rounded down to a multiple of `CREATION_STEP`. */
export const newId = (tableNumber: number, creationTime: number): string => {
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(BigInt(Math.floor(creationTime / CREATION_STEP)))
  const body = Buffer.concat([varint(tableNumber), time.subarray(8 - TIME_BYTES), random(RANDOM_BYTES)])
  return encodeBase32(Buffer.concat([body, checksum(body)]))
}

/** The number of the table of an id; `null` if the text is not an id. */
export const tableNumberOf = (id: string): number | null => {
  const bytes = decodeBase32(id)
  if (bytes === null || bytes.length < 1 + BODY_BYTES + CHECKSUM_BYTES) return null
  const body = bytes.subarray(0, -CHECKSUM_BYTES)
  if (!checksum(body).equals(bytes.subarray(-CHECKSUM_BYTES))) return null
  let number = 0
  let at = 0
  for (let byte = 0x80; byte & 0x80; at++) {
    byte = body[at] ?? 0
    number |= (byte & 0x7f) << (7 * at)
  }
  return body.length === at + BODY_BYTES ? number : null
}

/** Random bytes are requested in bulk, which costs as much as requesting a few. */
const pool = Buffer.alloc(4096)
let taken = pool.length

const random = (size: number): Buffer => {
  if (taken + size > pool.length) {
    randomFillSync(pool)
    taken = 0
  }
  return pool.subarray(taken, (taken += size))
}

const varint = (number: number): Buffer => {
  const bytes: Array<number> = []
  for (; number > 0x7f; number >>>= 7) bytes.push((number & 0x7f) | 0x80)
  bytes.push(number)
  return Buffer.from(bytes)
}

/** Fletcher-16, to detect mistyped ids and other strings. */
const checksum = (bytes: Buffer): Buffer => {
  let low = 0
  let high = 0
  for (const byte of bytes) {
    low = (low + byte) % 255
    high = (high + low) % 255
  }
  return Buffer.from([low, high])
}

const encodeBase32 = (bytes: Buffer): string => {
  let text = ""
  let bits = 0
  let buffered = 0
  for (const byte of bytes) {
    buffered = (buffered << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(buffered >>> (bits - 5)) & 31]
    buffered &= (1 << bits) - 1
  }
  return bits > 0 ? text + ALPHABET[(buffered << (5 - bits)) & 31] : text
}

const NO_DIGIT = 0xff
const DIGITS = new Uint8Array(128).fill(NO_DIGIT)
for (const [digit, character] of Array.from(ALPHABET).entries()) DIGITS[character.charCodeAt(0)] = digit

const decodeBase32 = (text: string): Buffer | null => {
  const bytes = Buffer.allocUnsafe(Math.floor((text.length * 5) / 8))
  let length = 0
  let bits = 0
  let buffered = 0
  for (let at = 0; at < text.length; at++) {
    const digit = DIGITS[text.charCodeAt(at)] ?? NO_DIGIT
    if (digit === NO_DIGIT) return null
    buffered = (buffered << 5) | digit
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes[length++] = (buffered >>> bits) & 0xff
    buffered &= (1 << bits) - 1
  }
  return buffered === 0 && bits < 5 ? bytes : null
}
