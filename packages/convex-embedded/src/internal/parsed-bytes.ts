/** What a JSON text takes in memory when it is parsed: lists and objects take much more than their brackets. */
export const parsedBytes = (text: Uint8Array): number => {
  let bytes = text.length
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]!
    if (byte === QUOTE) at = endOfString(text, at)
    else if (byte === COMMA) bytes += ELEMENT_BYTES
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) bytes += CONTAINER_BYTES
  }
  return bytes
}

const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const OPEN_OBJECT = 0x7b
const ELEMENT_BYTES = 16
const CONTAINER_BYTES = 56

const endOfString = (text: Uint8Array, start: number): number => {
  for (let end = text.indexOf(QUOTE, start + 1); end !== -1; end = text.indexOf(QUOTE, end + 1)) {
    let before = end - 1
    while (text[before] === BACKSLASH) before--
    if ((end - before) % 2 === 1) return end
  }
  return text.length
}
