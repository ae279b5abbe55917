/** What a deployment takes of one turn's parts. */
import { MAX_PARTS, MAX_PARTS_TOTAL } from "@opencode-worker/convex-backend/limits"
import type { FinalPart } from "../TurnResult.ts"

/** Room for the notice of what was left out. */
const maxParts = MAX_PARTS - 100
const maxCharacters = MAX_PARTS_TOTAL - 100_000
/** The longest text that a tool keeps in its payload where not everything fits, tried one after another. In code units. */
const limits = [100_000, 10_000, 1_000]

/** What a reader needs comes first: what the worker says, then what the model says, then what it did. */
const rank = ({ kind }: FinalPart) => (kind === "notice" ? 0 : kind === "text" || kind === "reasoning" ? 1 : 2)

const charactersOf = (parts: ReadonlyArray<FinalPart>) => parts.reduce((sum, { payload }) => sum + payload.length, 0)

const shortened = (part: FinalPart, limit: number): FinalPart => {
  if (rank(part) < 2 || part.payload.length <= limit) return part
  const cut = (_: string, value: unknown): unknown =>
    typeof value === "string" && value.length > limit ? `${value.slice(0, limit).toWellFormed()}…` : value
  return { ...part, payload: JSON.stringify(JSON.parse(part.payload, cut)) }
}

/** As many as the deployment takes: of the same rank the last ones, because an answer stands at its end. */
const chosen = (parts: ReadonlyArray<FinalPart>): ReadonlyArray<FinalPart> => {
  const taken = new Set<FinalPart>()
  let characters = 0
  for (const part of parts.toSorted((one, other) => rank(one) - rank(other) || other.index - one.index)) {
    if (taken.size === maxParts || characters + part.payload.length > maxCharacters) continue
    characters += part.payload.length
    taken.add(part)
  }
  return parts.filter((part) => taken.has(part))
}

/**
 * The parts as the deployment can take them, and a notice of what became less. Most turns lose nothing; a long one loses
 * the ends of what its tools read and wrote before it loses a part, and its answer last.
 */
export const bounded = (parts: ReadonlyArray<FinalPart>): ReadonlyArray<FinalPart> => {
  let fitting = parts
  for (const limit of limits) {
    if (charactersOf(fitting) <= maxCharacters) break
    fitting = parts.map((part) => shortened(part, limit))
  }
  const kept = chosen(fitting)
  const originals = new Map(parts.map((part) => [part.index, part.payload]))
  const cut = kept.filter(({ index, payload }) => originals.get(index) !== payload).length
  const missing = parts.length - kept.length
  if (cut === 0 && missing === 0) return parts
  const text = `Not all of this turn is kept here: of ${parts.length} parts ${cut} are shortened and ${missing} left out. OpenCode has them.`
  return [...kept, { index: parts.length, kind: "notice", payload: JSON.stringify({ text }) }]
}
