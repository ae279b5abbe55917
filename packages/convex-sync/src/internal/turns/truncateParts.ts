/** Fits the parts of one turn into the limits of the deployment. Pure. */
import { MAX_PARTS, MAX_PARTS_TOTAL } from "@opencode-worker/convex-backend/limits"

interface Part {
  readonly index: number
  readonly kind: string
  readonly payload: string
}

/** Room for the notice of what was left out. */
const maxParts = MAX_PARTS - 100
const maxCharacters = MAX_PARTS_TOTAL - 100_000
/** Maximum lengths of the strings in a tool's payload, tried one after another until the turn fits. In code units. */
const limits = [100_000, 10_000, 1_000]

/** Notices are kept first, then text, then tool calls. */
const rank = ({ kind }: Part) => (kind === "notice" ? 0 : kind === "text" || kind === "reasoning" ? 1 : 2)

const charactersOf = (parts: ReadonlyArray<Part>) => parts.reduce((sum, { payload }) => sum + payload.length, 0)

const truncateStrings = (part: Part, limit: number): Part => {
  if (rank(part) < 2 || part.payload.length <= limit) return part
  const cut = (_: string, value: unknown): unknown =>
    typeof value === "string" && value.length > limit ? `${value.slice(0, limit).toWellFormed()}…` : value
  return { ...part, payload: JSON.stringify(JSON.parse(part.payload, cut)) }
}

/** As many parts as fit. Of the same rank the last ones are kept, because an answer is at the end of its turn. */
const selectParts = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> => {
  const taken = new Set<Part>()
  let characters = 0
  for (const part of parts.toSorted((one, other) => rank(one) - rank(other) || other.index - one.index)) {
    if (taken.size === maxParts || characters + part.payload.length > maxCharacters) continue
    characters += part.payload.length
    taken.add(part)
  }
  return parts.filter((part) => taken.has(part))
}

/**
 * Most turns lose nothing. A long one loses the ends of what its tools read and wrote before it loses a part, and its answer
 * last; a notice then reports what is missing.
 */
export const truncateParts = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> => {
  let fitting = parts
  for (const limit of limits) {
    if (charactersOf(fitting) <= maxCharacters) break
    fitting = parts.map((part) => truncateStrings(part, limit))
  }
  const kept = selectParts(fitting)
  const originals = new Map(parts.map((part) => [part.index, part.payload]))
  const cut = kept.filter(({ index, payload }) => originals.get(index) !== payload).length
  const missing = parts.length - kept.length
  if (cut === 0 && missing === 0) return parts
  const text = `Not all of this turn is kept here: of ${parts.length} parts ${cut} are shortened and ${missing} left out. OpenCode has them.`
  return [...kept, { index: parts.length, kind: "notice", payload: JSON.stringify({ text }) }]
}
