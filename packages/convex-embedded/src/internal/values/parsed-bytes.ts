/** Estimates the memory of a parsed JSON text: lists and objects take much more than their brackets. */
import { DEEPEST } from "./json.ts"

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const OPEN_OBJECT = 0x7b
const CLOSE_LIST = 0x5d
const CLOSE_OBJECT = 0x7d
const ELEMENT_BYTES = 16
const CONTAINER_BYTES = 56

/** `text`: UTF-8. Levels that the parser cuts off do not count. */
export const parsedBytes = (text: Uint8Array): number => {
  let [bytes, depth] = [text.length, 0]
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]!
    if (byte === QUOTE) at = endOfString(text, at)
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--
    else if (byte === COMMA && depth <= DEEPEST) bytes += ELEMENT_BYTES
    else if ((byte === OPEN_LIST || byte === OPEN_OBJECT) && ++depth <= DEEPEST) bytes += CONTAINER_BYTES
  }
  return bytes
}

/** The index of the quote that ends the string that begins at `start`. */
const endOfString = (text: Uint8Array, start: number): number => {
  for (let end = text.indexOf(QUOTE, start + 1); end !== -1; end = text.indexOf(QUOTE, end + 1)) {
    let before = end - 1
    while (text[before] === BACKSLASH) before--
    // An even number of backslashes escape each other, not the quote.
    if ((end - before) % 2 === 1) return end
  }
  return text.length
}
