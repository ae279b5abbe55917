/**
 * The outline of a turn: one small entry for each final part that a reader sees. Pure functions.
 */
import type { Infer } from "convex/values"
import { isVisible, MAX_HEAD, MAX_OUTLINE_ENTRY } from "./limits.ts"
import type { Part } from "./payloads.ts"
import type { outlineEntry } from "./validators.ts"

export type OutlineEntry = Infer<typeof outlineEntry>

type Json = Readonly<Record<string, unknown>>
const isRecord = (value: unknown): value is Json => typeof value === "object" && value !== null
export const record = (value: unknown): Json => (isRecord(value) ? value : {})
export const text = (value: unknown): string => (typeof value === "string" ? value : "")

/** Undefined: it is not JSON. */
export const parseJson = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** A payload that is not an object has no fields. */
export const parsePayload = (payload: string): Json => record(parseJson(payload))

const encoder = new TextEncoder()
const sizeOf = (value: unknown): number => encoder.encode(JSON.stringify(value)).length

const shortEscapes: ReadonlySet<number> = new Set(Array.from('"\\\b\t\n\f\r', (character) => character.charCodeAt(0)))

/** The bytes of a character in JSON. Computed, because encoding each character took most of the time of the end of a turn. */
const bytesInJson = (code: number): number => {
  if (shortEscapes.has(code)) return 2
  if (code < 0x20) return 6
  if (code < 0x80) return 1
  return code < 0x8_00 ? 2 : code < 0x1_00_00 ? 3 : 4
}

/** The longest beginning of `whole` within `bytes` of JSON and `max` code units. Stored text must be well-formed. */
const beginning = (whole: string, bytes: number, max = MAX_HEAD): string => {
  let size = 0
  let at = 0
  for (const character of whole) {
    size += bytesInJson(character.codePointAt(0) ?? 0)
    if (size > bytes || at + character.length > max) break
    at += character.length
  }
  return whole.slice(0, at).replaceAll(/\p{Surrogate}/gu, "\ufffd")
}

/** An id is complete or absent. */
const idOf = (value: unknown): string | undefined =>
  typeof value === "string" && /^[\w.:-]{1,40}$/.test(value) ? value : undefined

const durationOf = (time: Json): number | undefined => {
  const millis = Math.round(Number(time["end"]) - Number(time["start"]))
  return millis >= 0 && Number.isSafeInteger(millis) ? millis : undefined
}

/** The text that an entry shows of its part: of a tool the error or the arguments. */
export const contentOf = (kind: string, part: Json, state: Json): string => {
  if (kind === "tool") return text(state["error"]) || JSON.stringify(state["input"] ?? {})
  if (kind === "patch") return Array.isArray(part["files"]) ? part["files"].map(text).join("\n") : ""
  if (kind === "file") return text(part["mime"])
  return text(part["text"])
}

/** OpenCode's title of a tool call, or the name of a file. */
export const titleOf = (part: Json, state: Json): string => text(state["title"]) || text(part["filename"])

/** Room for the names of `title` and `head`, and for numbers that a deployment writes as `1.0`. */
const reserve = 40

const entryOf = ({ index, kind, payload }: Part): OutlineEntry => {
  const part = parsePayload(payload)
  const state = record(part["state"])
  const tool = beginning(text(part["tool"]), 40)
  const status = beginning(text(state["status"]), 20)
  const duration = durationOf(record(kind === "tool" ? state["time"] : part["time"]))
  const child = idOf(record(state["metadata"])["sessionId"])
  const files = state["attachments"]
  const fields = {
    index,
    id: idOf(part["id"]) ?? String(index),
    kind: beginning(kind, 20),
    bytes: encoder.encode(payload).length,
    ...(tool !== "" && { tool }),
    ...(status !== "" && { status }),
    ...(duration !== undefined && { duration }),
    ...(child !== undefined && { child }),
    ...(Array.isArray(files) && files.length > 0 && { files: files.length })
  }
  const room = MAX_OUTLINE_ENTRY - reserve - sizeOf(fields)
  const title = beginning(titleOf(part, state), Math.min(80, room))
  const head = beginning(contentOf(kind, part, state), room - (sizeOf(title) - 2))
  return { ...fields, ...(title !== "" && { title }), head }
}

/** The entries of a turn's parts, in their order. */
export const outlineOf = (parts: ReadonlyArray<Part>): Array<OutlineEntry> =>
  parts.flatMap((part) => (isVisible(part.kind) ? [entryOf(part)] : []))
