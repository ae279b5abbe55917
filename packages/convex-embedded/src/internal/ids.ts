/**
 * Document ids: 16 random bytes with the table's number in front and a checksum behind, in lower-case base 32.
 * The number belongs to the table's name for good (see `Catalog`), so an id never changes its table.
 */
import { randomBytes } from "node:crypto"

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
const RANDOM_BYTES = 16

export const newId = (tableNumber: number): string => {
  const body = Buffer.concat([varint(tableNumber), randomBytes(RANDOM_BYTES)])
  return encodeBase32(Buffer.concat([body, checksum(body)]))
}

/** The number of the table that an id belongs to; `null` when the text is not an id. */
export const tableNumberOf = (id: string): number | null => {
  const bytes = decodeBase32(id)
  if (bytes === null || bytes.length < 1 + RANDOM_BYTES + 2) return null
  const body = bytes.subarray(0, -2)
  if (!checksum(body).equals(bytes.subarray(-2))) return null
  let number = 0
  let at = 0
  for (let byte = 0x80; byte & 0x80; at++) {
    byte = body[at] ?? 0
    number |= (byte & 0x7f) << (7 * at)
  }
  return body.length === at + RANDOM_BYTES ? number : null
}

const varint = (number: number): Buffer => {
  const bytes: Array<number> = []
  for (; number > 0x7f; number >>>= 7) bytes.push((number & 0x7f) | 0x80)
  bytes.push(number)
  return Buffer.from(bytes)
}

/** Fletcher-16: tells a mistyped id or a foreign string from an id. */
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

const decodeBase32 = (text: string): Buffer | null => {
  const bytes: Array<number> = []
  let bits = 0
  let buffered = 0
  for (const character of text) {
    const digit = ALPHABET.indexOf(character)
    if (digit === -1) return null
    buffered = (buffered << 5) | digit
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((buffered >>> bits) & 0xff)
    buffered &= (1 << bits) - 1
  }
  return buffered === 0 && bits < 5 ? Buffer.from(bytes) : null
}
