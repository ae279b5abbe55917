/** Parses untrusted JSON text safely: the resulting values cannot overflow the stack of recursive functions. */
import { limits } from "./limits.ts"

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const OPEN_OBJECT = 0x7b
const CLOSE_LIST = 0x5d
const CLOSE_OBJECT = 0x7d

/** Levels of a message around its values: a subscription's arguments are at the fifth. */
const ENVELOPE_LEVELS = 8
/** Deeper levels are cut off. */
export const DEEPEST = limits.nesting + ENVELOPE_LEVELS

/**
 * Parses a message, a body or a line. Fails for invalid JSON, and for a field `__proto__`, which would set the prototype
 * of an object.
 *
 * Values that exceed the nesting limit are cut off below it, without using stack or memory. They are still too deep, so
 * the checks of values reject them with Convex's own error.
 */
export const parseJson = (text: string): unknown => {
  const shallow = cutDeepest(text)
  // The key may be written with escapes. A reviver is slow, so it is used only if the key may occur.
  if (!shallow.includes('"__proto__"') && !shallow.includes("\\u00")) return JSON.parse(shallow)
  return JSON.parse(shallow, (key, value: unknown) => {
    if (key === "__proto__") throw new Error("__proto__ is not a valid field name")
    return value
  })
}

/**
 * The nesting of lists and objects in a JSON text that encodes a Convex value. Encodings such as `{"$integer":…}`, which
 * stand for a single number or bytes, do not count.
 */
export const nestingOf = (text: string): number => {
  let deepest = 0
  eachBracket(text, (depth, at, opens) => {
    if (opens && depth > deepest && !text.startsWith('{"$', at)) deepest = depth
  })
  return deepest
}

/** Worded as in Convex. */
export const tooNested = (what: string, levels: number, most: number): string =>
  `${what} is too nested (nested ${levels} levels deep > maximum nesting ${most})`

const cutDeepest = (text: string): string => {
  const kept: Array<string> = []
  let [from, isCutting] = [0, false]
  eachBracket(text, (depth, at, opens) => {
    if (depth !== DEEPEST + 1) return
    if (opens) kept.push(text.slice(from, at), "null")
    isCutting = opens
    from = at + 1
  })
  if (kept.length === 0) return text
  // A text that ends within a removed part is invalid JSON, and so is the remainder.
  return isCutting ? kept.join("") : kept.join("") + text.slice(from)
}

/** Visits the brackets outside of strings. `depth`: the level that it opens or closes, 1 for the outermost. */
const eachBracket = (text: string, visit: (depth: number, at: number, opens: boolean) => void): void => {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at)
    if (character === QUOTE) at = endOfString(text, at)
    else if (character === OPEN_LIST || character === OPEN_OBJECT) visit(++depth, at, true)
    else if (character === CLOSE_LIST || character === CLOSE_OBJECT) visit(depth--, at, false)
  }
}

/** The index of the quote that ends the string that begins at `start`. */
const endOfString = (text: string, start: number): number => {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let before = end - 1
    while (text.charCodeAt(before) === BACKSLASH) before--
    // An even number of backslashes escape each other, not the quote.
    if ((end - before) % 2 === 1) return end
  }
  return text.length
}
