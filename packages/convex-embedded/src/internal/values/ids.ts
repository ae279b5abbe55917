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
  let end = 0
  for (let rest = tableNumber; ; rest >>>= 7) {
    written[end++] = rest > 0x7f ? (rest & 0x7f) | 0x80 : rest
    if (rest <= 0x7f) break
  }
  const steps = Math.floor(creationTime / CREATION_STEP)
  written[end] = Math.floor(steps / 2 ** 48)
  written.writeUIntBE(steps % 2 ** 48, end + 1, TIME_BYTES - 1)
  fillRandom(written, end + TIME_BYTES)
  end += BODY_BYTES
  const sum = checksum(written, end)
  written.writeUInt16BE(sum, end)
  return encodeBase32(written, end + CHECKSUM_BYTES)
}

/** The bytes of the id that is being made, and its text. */
const written = Buffer.alloc(5 + BODY_BYTES + CHECKSUM_BYTES)
const text = Buffer.alloc(Math.ceil((written.length * 8) / 5))

/** The number of the table of an id; `null` if the text is not an id. */
export const tableNumberOf = (id: string): number | null => {
  const bytes = decodeBase32(id)
  if (bytes === null || bytes.length < 1 + BODY_BYTES + CHECKSUM_BYTES) return null
  const length = bytes.length - CHECKSUM_BYTES
  if (checksum(bytes, length) !== bytes.readUInt16BE(length)) return null
  let number = 0
  let at = 0
  for (let byte = 0x80; byte & 0x80; at++) {
    byte = at < length ? bytes[at]! : 0
    number |= (byte & 0x7f) << (7 * at)
  }
  return length === at + BODY_BYTES ? number : null
}

/** Random bytes are requested in bulk, which costs as much as requesting a few. */
const pool = Buffer.alloc(4096)
let taken = pool.length

const fillRandom = (bytes: Buffer, at: number): void => {
  if (taken + RANDOM_BYTES > pool.length) {
    randomFillSync(pool)
    taken = 0
  }
  pool.copy(bytes, at, taken, (taken += RANDOM_BYTES))
}

/** Fletcher-16 of the first bytes, to detect mistyped ids and other strings. */
const checksum = (bytes: Uint8Array, length: number): number => {
  let low = 0
  let high = 0
  for (let at = 0; at < length; at++) {
    low = (low + bytes[at]!) % 255
    high = (high + low) % 255
  }
  return (low << 8) | high
}

const encodeBase32 = (bytes: Uint8Array, length: number): string => {
  let end = 0
  let bits = 0
  let buffered = 0
  for (let at = 0; at < length; at++) {
    buffered = (buffered << 8) | bytes[at]!
    for (bits += 8; bits >= 5; bits -= 5) text[end++] = ALPHABET.charCodeAt((buffered >>> (bits - 5)) & 31)
    buffered &= (1 << bits) - 1
  }
  if (bits > 0) text[end++] = ALPHABET.charCodeAt((buffered << (5 - bits)) & 31)
  return text.toString("latin1", 0, end)
}

const NO_DIGIT = 0xff
const DIGITS = new Uint8Array(128).fill(NO_DIGIT)
for (const [digit, character] of Array.from(ALPHABET).entries()) DIGITS[character.charCodeAt(0)] = digit

const decodeBase32 = (id: string): Buffer | null => {
  const bytes = Buffer.allocUnsafe(Math.floor((id.length * 5) / 8))
  let length = 0
  let bits = 0
  let buffered = 0
  for (let at = 0; at < id.length; at++) {
    const digit = DIGITS[id.charCodeAt(at)] ?? NO_DIGIT
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
