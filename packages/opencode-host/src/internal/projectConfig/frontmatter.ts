/**
 * The head of a Markdown file: the part of YAML that agents and commands use.
 *
 * ```
 * ---
 * description: text, 'text', "text", or a block (| or >)
 * hidden: true
 * tools:
 *   write: false
 * ---
 * body
 * ```
 *
 * Anything else of YAML becomes the value `unknownValue`, which no caller accepts. OpenCode never reads the text itself,
 * so what is understood differently here has no effect there.
 */

export const unknownValue = Symbol("a value that is not understood")

export interface Document {
  readonly data: Readonly<Record<string, unknown>>
  readonly body: string
}

export const parseFrontmatter = (text: string): Document => {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/)
  const end = lines[0]?.trim() === "---" ? lines.findIndex((line, index) => index > 0 && line.trim() === "---") : -1
  if (end === -1) return { data: {}, body: text.trim() }
  return {
    data: mapping(lines.slice(1, end)),
    body: lines
      .slice(end + 1)
      .join("\n")
      .trim()
  }
}

const isBlank = (line: string) => /^\s*(?:#.*)?$/.test(line)
const indentOf = (line: string) => line.length - line.trimStart().length

const mapping = (lines: ReadonlyArray<string>): Record<string, unknown> => {
  // A key of its own must not reach the prototype.
  const data: Record<string, unknown> = Object.create(null)
  for (let at = 0; at < lines.length;) {
    const line = lines[at] ?? ""
    let next = at + 1
    while (next < lines.length && (isBlank(lines[next] ?? "") || indentOf(lines[next] ?? "") > 0)) next++
    const [, bare, quoted, rest = ""] = /^(?:([\w-]+)|["']([^"']+)["'])\s*:(?:\s+(.*))?$/.exec(line) ?? []
    const key = bare ?? quoted
    if (key !== undefined) data[key] = valueOf(rest.trim(), lines.slice(at + 1, next))
    at = next
  }
  return data
}

const valueOf = (head: string, below: ReadonlyArray<string>): unknown => {
  const block = /^([|>])[+-]?$/.exec(head)?.[1]
  const written = below.filter((line) => line.trim() !== "")
  if (block !== undefined) {
    const indent = Math.min(...written.map(indentOf))
    return below
      .map((line) => line.slice(indent))
      .join(block === "|" ? "\n" : " ")
      .trim()
  }
  const nested = below.filter((line) => !isBlank(line))
  if (nested.length === 0) return scalar(head)
  if (head !== "") return unknownValue
  const indent = indentOf(nested[0] ?? "")
  if (nested.some((line) => indentOf(line) < indent)) return unknownValue
  return mapping(nested.map((line) => line.slice(indent)))
}

const scalar = (text: string): unknown => {
  const [, double, single] = /^(?:"((?:[^"\\]|\\.)*)"|'((?:[^']|'')*)')\s*(?:#.*)?$/.exec(text) ?? []
  if (double !== undefined) return double.replace(/\\(["\\])/g, "$1")
  if (single !== undefined) return single.replaceAll("''", "'")
  if (/^[[{&*!|>%@`"']/.test(text)) return unknownValue
  const plain = text.replace(/\s+#.*$/, "")
  if (plain === "true" || plain === "false") return plain === "true"
  if (/^-?\d+(?:\.\d+)?$/.test(plain)) return Number(plain)
  return plain
}
