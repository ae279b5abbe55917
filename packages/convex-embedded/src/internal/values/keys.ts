/**
 * Index keys: byte strings whose order is the order of the Convex values that they encode, so that SQLite can
 * compare them without knowing what they mean.
 *
 * Invariants
 * - `Buffer.compare(encodeKey(a), encodeKey(b))` has the sign of comparing the tuples `a` and `b` as Convex does:
 *   undefined < null < int64 < float64 < boolean < string < bytes < array < object.
 * - No encoded value is a proper prefix of another one; so all keys that start with the values `p` are exactly
 *   those in `[encodeKey(p), successor(encodeKey(p)))`.
 */
import type { Value } from "convex/values"

export type Key = Buffer

/** Every value starts with a tag above `END`, so that a shorter sequence sorts before a longer one. */
const END = 0x00
const Tag = {
  undefined: 0x01,
  null: 0x02,
  int64: 0x03,
  float64: 0x04,
  false: 0x05,
  true: 0x06,
  string: 0x07,
  bytes: 0x08,
  array: 0x09,
  object: 0x0a
} as const

/** Below and above every key. */
export const LOWEST: Key = Buffer.alloc(0)
export const HIGHEST: Key = Buffer.from([0xff])

export const encodeKey = (values: ReadonlyArray<Value | undefined>): Key => {
  const chunks: Array<Uint8Array> = []
  for (const value of values) append(value, chunks)
  return Buffer.concat(chunks)
}

/** The least key that is greater than every key starting with `key`. */
export const successor = (key: Key): Key => {
  for (let last = key.length - 1; last >= 0; last--) {
    const byte = key[last]!
    if (byte === 0xff) continue
    const next = Buffer.from(key.subarray(0, last + 1))
    next[last] = byte + 1
    return next
  }
  return HIGHEST
}

/** The least key that is greater than `key`. */
export const after = (key: Key): Key => Buffer.concat([key, TERMINATOR])

const TERMINATOR = Buffer.from([END])
const single = (byte: number) => Buffer.from([byte])
const UNDEFINED = single(Tag.undefined)
const NULL = single(Tag.null)
const FALSE = single(Tag.false)
const TRUE = single(Tag.true)
const STRING = single(Tag.string)
const BYTES = single(Tag.bytes)
const ARRAY = single(Tag.array)
const OBJECT = single(Tag.object)

const append = (value: Value | undefined, out: Array<Uint8Array>): void => {
  if (value === undefined) return void out.push(UNDEFINED)
  if (value === null) return void out.push(NULL)
  switch (typeof value) {
    case "boolean":
      return void out.push(value ? TRUE : FALSE)
    case "bigint":
      return void out.push(int64(value))
    case "number":
      return void out.push(float64(value))
    case "string":
      return void out.push(STRING, escaped(Buffer.from(value, "utf8")))
  }
  if (value instanceof ArrayBuffer) return void out.push(BYTES, escaped(Buffer.from(value)))
  if (Array.isArray(value)) {
    out.push(ARRAY)
    for (const element of value) append(element, out)
    return void out.push(TERMINATOR)
  }
  const fields = value as { readonly [field: string]: Value | undefined }
  out.push(OBJECT)
  for (const field of Object.keys(fields).toSorted()) {
    append(field, out)
    append(fields[field], out)
  }
  out.push(TERMINATOR)
}

/** Two's complement with the sign bit flipped. */
const int64 = (value: bigint) => {
  const bytes = Buffer.alloc(9)
  bytes[0] = Tag.int64
  bytes.writeBigInt64BE(value, 1)
  bytes[1]! ^= 0x80
  return bytes
}

/** IEEE 754 with the sign bit flipped, and all bits flipped when negative: -NaN < -Infinity < -0 < 0 < Infinity < NaN. */
const float64 = (value: number) => {
  const bytes = Buffer.alloc(9)
  bytes[0] = Tag.float64
  bytes.writeDoubleBE(value, 1)
  if (bytes[1]! & 0x80) for (let i = 1; i < 9; i++) bytes[i]! ^= 0xff
  else bytes[1]! ^= 0x80
  return bytes
}

/** Zero bytes become `00 ff`, and `00 00` ends the value; so no content can look like the end. */
const escaped = (content: Buffer): Buffer => {
  if (!content.includes(0)) return Buffer.concat([content, END_OF_BYTES])
  const zeros = content.reduce((count, byte) => (byte === 0 ? count + 1 : count), 0)
  const escapedBytes = Buffer.alloc(content.length + zeros + END_OF_BYTES.length)
  let end = 0
  for (const byte of content) {
    escapedBytes[end++] = byte
    if (byte === 0) escapedBytes[end++] = 0xff
  }
  return escapedBytes
}
const END_OF_BYTES = Buffer.from([0x00, 0x00])
