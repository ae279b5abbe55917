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
  end = 0
  for (const value of values) append(value)
  const key = Buffer.from(written.subarray(0, end))
  if (written.length > MOST_KEPT) written = Buffer.alloc(MOST_KEPT)
  return key
}

/** The buffer for keys is used again up to this size. */
const MOST_KEPT = 4096

/** The key that is being encoded, and its length so far. */
let written = Buffer.alloc(MOST_KEPT)
let end = 0

/** Makes room for more bytes. */
const reserve = (bytes: number): void => {
  if (end + bytes <= written.length) return
  const larger = Buffer.alloc(2 * (end + bytes))
  written.copy(larger, 0, 0, end)
  written = larger
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

const append = (value: Value | undefined): void => {
  reserve(9)
  if (value === undefined) return put(Tag.undefined)
  if (value === null) return put(Tag.null)
  switch (typeof value) {
    case "boolean":
      return put(value ? Tag.true : Tag.false)
    case "bigint":
      return int64(value)
    case "number":
      return float64(value)
    case "string":
      put(Tag.string)
      return value.includes("\0") ? content(Buffer.from(value, "utf8")) : text(value)
  }
  if (value instanceof ArrayBuffer) {
    put(Tag.bytes)
    return content(Buffer.from(value))
  }
  if (Array.isArray(value)) {
    put(Tag.array)
    for (const element of value) append(element)
  } else {
    const fields = value as { readonly [field: string]: Value | undefined }
    put(Tag.object)
    for (const field of Object.keys(fields).toSorted()) {
      append(field)
      append(fields[field])
    }
  }
  reserve(1)
  put(END)
}

const put = (byte: number): void => void (written[end++] = byte)

/** Two's complement with the sign bit flipped. */
const int64 = (value: bigint): void => {
  put(Tag.int64)
  written.writeBigInt64BE(value, end)
  written[end]! ^= 0x80
  end += 8
}

/** IEEE 754 with the sign bit flipped, and all bits flipped when negative: -NaN < -Infinity < -0 < 0 < Infinity < NaN. */
const float64 = (value: number): void => {
  put(Tag.float64)
  written.writeDoubleBE(value, end)
  if (written[end]! & 0x80) for (let i = end; i < end + 8; i++) written[i]! ^= 0xff
  else written[end]! ^= 0x80
  end += 8
}

/** Text without zero bytes. `00 00` ends the value. */
const text = (value: string): void => {
  reserve(3 * value.length + 2)
  end += written.write(value, end)
  put(END)
  put(END)
}

/** Zero bytes become `00 ff`, so no content can look like the end. */
const content = (bytes: Uint8Array): void => {
  reserve(2 * bytes.length + 2)
  for (const byte of bytes) {
    put(byte)
    if (byte === 0) put(0xff)
  }
  put(END)
  put(END)
}
