/**
 * The text by which a turn is found, and the part of it that a result shows. Pure functions.
 */
import { isVisible, MAX_SNIPPET, printable, SEARCHED } from "./limits.ts"
import { contentOf, parsePayload, record, text, titleOf } from "./outline.ts"
import { headOf, type Part } from "./payloads.ts"
import type { SearchKind } from "./validators.ts"

/** Stored text must be well-formed. */
const bounded = (whole: string, size: number): string => headOf(whole, size).replaceAll(/\p{Surrogate}/gu, "\ufffd")

/** The text by which a prompt is found. */
export const searchTextOfPrompt = (prompt: string): string => bounded(prompt, SEARCHED.prompt)

export interface SearchText {
  readonly kind: SearchKind
  readonly text: string
}

/** Kinds of parts that are found by their title or their paths. */
const labelled: ReadonlySet<string> = new Set(["tool", "patch", "file"])

const pathsOf = ({ kind, payload }: Part): ReadonlyArray<string> => {
  const part = parsePayload(payload)
  const state = record(part["state"])
  if (kind !== "tool") return [kind === "patch" ? contentOf(kind, part, state) : titleOf(part, state)]
  const input = record(state["input"])
  return [text(input["filePath"]), text(input["path"])]
}

const titlesOf = ({ payload }: Part): string => {
  const part = parsePayload(payload)
  return titleOf(part, record(part["state"]))
}

const lines = (all: ReadonlyArray<string>): string => [...new Set(all)].filter((line) => line !== "").join("\n")

/** The texts by which the parts of an answer are found. The last text is the first, because it is the result. */
export const searchTextsOfParts = (parts: ReadonlyArray<Part>): ReadonlyArray<SearchText> => {
  const visible = parts.filter(({ kind }) => isVisible(kind) && kind !== "reasoning")
  const texts = visible.filter(({ kind }) => !labelled.has(kind)).toReversed()
  const answer = texts.map(({ payload }) => text(parsePayload(payload)["text"])).join("\n")
  const found: ReadonlyArray<SearchText> = [
    { kind: "answer", text: bounded(answer, SEARCHED.answer) },
    { kind: "tool", text: bounded(lines(visible.filter(({ kind }) => kind === "tool").map(titlesOf)), SEARCHED.tool) },
    {
      kind: "path",
      text: bounded(lines(visible.filter(({ kind }) => labelled.has(kind)).flatMap(pathsOf)), SEARCHED.path)
    }
  ]
  return found.filter((each) => each.text !== "")
}

const inWord = String.raw`[\p{Alphabetic}\p{N}]`
const words = new RegExp(`${inWord}+`, "gu")

/** The beginning of a text in which these terms are searched, the last one also as the start of a word. */
const placeOf = (line: string, terms: ReadonlyArray<string>): number => {
  const start = `(?<!${inWord})`
  const phrase = terms.join(`[^\\p{Alphabetic}\\p{N}]+`)
  const any = terms.map((term, index) => (index === terms.length - 1 ? term : `${term}(?!${inWord})`)).join("|")
  const places = [phrase, any].map((pattern) => line.search(new RegExp(`${start}(?:${pattern})`, "iu")))
  return Math.max(places.find((place) => place >= 0) ?? 0, 0)
}

/** Characters of a snippet between its ellipses, and of these before the match. */
const shown = MAX_SNIPPET - 2
const before = 60

/** At most 200 characters of `found` around the first match of `searched`, in one line without control characters. */
export const snippetOf = (found: string, searched: string): string => {
  const line = printable(found).replaceAll(/\s+/g, " ").trim()
  if (line.length <= MAX_SNIPPET) return line
  const from = Math.min(Math.max(placeOf(line, searched.match(words) ?? []) - before, 0), line.length - shown)
  const to = from + shown
  // The cuts may be inside of a character.
  const cut = line.slice(from, to).replaceAll(/\p{Surrogate}/gu, "")
  return `${from > 0 ? "…" : ""}${cut}${to < line.length ? "…" : ""}`
}
