/** JSON with comments and trailing commas, as OpenCode reads it, up to a depth that is safe to walk. */

const depthLimit = 64

export type Parsed =
  | { readonly _tag: "Value"; readonly value: unknown }
  | { readonly _tag: "Invalid"; readonly reason: string }

export const parseJsonc = (text: string): Parsed => {
  const plain = plainJson(text)
  if (plain === undefined) return { _tag: "Invalid", reason: `it is nested deeper than ${depthLimit} levels` }
  try {
    return { _tag: "Value", value: plain.trim() === "" ? {} : JSON.parse(plain) }
  } catch {
    // The parser's message quotes the text, which may hold a key.
    return { _tag: "Invalid", reason: "it is not valid JSON" }
  }
}

/** Without comments and trailing commas; undefined if it is nested too deeply. One pass, whatever the text is. */
const plainJson = (text: string): string | undefined => {
  const out: Array<string> = []
  /** Index in `out` of a comma that only white space follows so far. */
  let comma = -1
  let depth = 0
  for (let at = text.startsWith("\uFEFF") ? 1 : 0; at < text.length;) {
    const end = endOfToken(text, at)
    const token = text.slice(at, end)
    at = end
    if (token.startsWith("//") || token.startsWith("/*")) continue
    if (token === "}" || token === "]") {
      if (comma !== -1) out[comma] = ""
      depth -= 1
    } else if (token === "{" || token === "[") depth += 1
    if (depth > depthLimit) return undefined
    if (token === ",") comma = out.length
    else if (token.trim() !== "") comma = -1
    out.push(token)
  }
  return out.join("")
}

/** Where a string, a comment or a single character that begins at `at` ends. */
const endOfToken = (text: string, at: number): number => {
  const found = (index: number, length: number) => (index === -1 ? text.length : index + length)
  if (text.startsWith("//", at)) return found(text.indexOf("\n", at), 0)
  if (text.startsWith("/*", at)) return found(text.indexOf("*/", at + 2), 2)
  if (text[at] !== '"') return at + 1
  for (let index = at + 1; index < text.length; index++) {
    if (text[index] === "\\") index++
    else if (text[index] === '"') return index + 1
  }
  return text.length
}
