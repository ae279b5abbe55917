/**
 * Decides when streamed text is written, and in which pieces. Pure: the time is a parameter.
 *
 * Invariants, property-tested
 * - Appended text is written once, in order: the segments of all writes of a turn, joined part by part, are its text.
 * - No write of a turn is larger than `maxWrite`, and each is well-formed Unicode.
 * - Segments of tools and notices are never merged and never split.
 * - Of the output of a tool, at most `maxOutput` waits: its end.
 *
 * ```
 *   first text of a turn ─────────────────────────────────────▶ at once
 *   later text ── window (250 ms, or 10 s without a watcher) or size (4 kB, or 16 kB) ── spacing ──▶ then
 * ```
 */
import { MAX_DELTA } from "@opencode-worker/convex-backend/limits"

/** Streamed text of one part. */
export interface Segment {
  readonly partId: string
  /**
   * `text` and `reasoning` continue the last segment of their part; each `tool` and each `notice` is independent. Of
   * `output` the end is kept, and of `progress` and `todos` the newest, until they are written.
   */
  readonly kind: "text" | "reasoning" | "tool" | "output" | "progress" | "todos" | "notice"
  readonly text: string
  /** Of a notice: its name, and the time until which the turn waits (milliseconds since 1970). */
  readonly name?: string
  readonly until?: number
}

/** When buffered text is written. Sizes are in UTF-16 code units. */
export interface FlushPolicy {
  /** Milliseconds that text may wait for more. */
  readonly window: number
  /** Text of this size is written before its window ends. */
  readonly size: number
  /** Least time between the starts of two writes, in milliseconds, except for first text and for a flush. */
  readonly spacing: number
}

/** A client watches: later text is visible within 300 ms, with at most 4 writes per second. */
export const watched: FlushPolicy = { window: 250, size: 4_096, spacing: 250 }

/**
 * No client watches: a turn of half a minute takes four writes. They are what is left of a part that streams when the
 * machine is lost; a client that begins to watch gets the rest at once.
 */
export const unwatched: FlushPolicy = { window: 10_000, size: 16_384, spacing: 250 }

/** The policy of a turn. */
export const flushPolicyOf = (isWatched: boolean): FlushPolicy => (isWatched ? watched : unwatched)

/** The most that one write holds of one turn, in code units: half of the backend's limit, because ids count, too. */
export const maxWrite = MAX_DELTA / 2

/** The most that one write holds of the output of one tool. */
export const maxOutput = 4_096

/** The text of one turn that is not written yet. */
export interface Buffer {
  /** Number of the next write, from 1. */
  readonly seq: number
  readonly segments: ReadonlyArray<Segment>
  /** Of `segments`, in code units. */
  readonly size: number
  /** Milliseconds: when the oldest of `segments` was appended. */
  readonly since: number
}

export const empty: Buffer = { seq: 1, segments: [], size: 0, since: 0 }

/** An id is stored with its text, so it counts, or many small segments could outgrow a row. */
const sizeOf = ({ name = "", partId, text }: Segment): number => name.length + partId.length + text.length

const splits: ReadonlySet<Segment["kind"]> = new Set(["text", "reasoning", "output"])
const isWhole = ({ kind }: Segment): boolean => !splits.has(kind)

/** State of which only the newest matters. */
const latest: ReadonlySet<Segment["kind"]> = new Set(["output", "progress", "todos"])

/** Whether a segment is written only while a client watches: the final parts do without it. */
export const isVolatile = ({ kind }: Segment): boolean => kind === "output" || kind === "progress"

const endOf = (text: string): string =>
  text.length > maxOutput ? `…\n${text.slice(2 - maxOutput).toWellFormed()}` : text

/** Replaces what is buffered of the same state, in its place. */
const replace = (buffer: Buffer, segment: Segment, now: number): Buffer => {
  const at = buffer.segments.findIndex(({ kind, partId }) => kind === segment.kind && partId === segment.partId)
  const before = buffer.segments[at]
  const text = segment.kind === "output" ? endOf((before?.text ?? "") + segment.text) : segment.text
  const next = { ...segment, text }
  return {
    seq: buffer.seq,
    segments: before === undefined ? [...buffer.segments, next] : buffer.segments.with(at, next),
    size: buffer.size - (before === undefined ? 0 : sizeOf(before)) + sizeOf(next),
    since: buffer.size === 0 ? now : buffer.since
  }
}

const continues = (last: Segment | undefined, next: Segment): last is Segment =>
  last !== undefined && !isWhole(next) && last.kind === next.kind && last.partId === next.partId

/** A tool segment or a notice must fit as a whole; of other segments at least one character with its id. */
const fits = (segment: Segment): boolean => (isWhole(segment) ? sizeOf(segment) : segment.partId.length + 2) <= maxWrite

/** Adds text at `now`. A tool segment that is too large for a write is left out: its final part has it. */
export const append = (buffer: Buffer, segment: Segment, now: number): Buffer => {
  if (segment.text === "" || !fits(segment)) return buffer
  if (latest.has(segment.kind)) return replace(buffer, segment, now)
  const last = buffer.segments.at(-1)
  const merges = continues(last, segment)
  return {
    seq: buffer.seq,
    segments: merges
      ? [...buffer.segments.slice(0, -1), { ...last, text: last.text + segment.text }]
      : [...buffer.segments, segment],
    size: buffer.size + (merges ? segment.text.length : sizeOf(segment)),
    since: buffer.size === 0 ? now : buffer.since
  }
}

/** Leaves out the segments of a part. */
export const without = (buffer: Buffer, id: string): Buffer => {
  const segments = buffer.segments.filter(({ partId }) => partId !== id)
  return { ...buffer, segments, size: segments.reduce((sum, segment) => sum + sizeOf(segment), 0) }
}

/**
 * When the next write is due, in milliseconds; `Infinity` when nothing waits. `lastWrite`: when the last write of any turn
 * began.
 */
export const dueAt = (buffer: Buffer, lastWrite: number, flushPolicy: FlushPolicy): number => {
  if (buffer.size === 0) return Number.POSITIVE_INFINITY
  if (buffer.seq === 1) return buffer.since
  const gathered = buffer.size >= flushPolicy.size ? buffer.since : buffer.since + flushPolicy.window
  return Math.max(gathered, lastWrite + flushPolicy.spacing)
}

/**
 * Whether to include the buffered text in a write that happens at `now` anyway: true if it would miss its deadline, or has
 * waited half of its window. So text waits no longer than its window, turns with one policy are written together, and turns
 * with a slow policy are not part of every write of a fast one.
 */
export const shouldPiggyback = (buffer: Buffer, now: number, { size, spacing, window }: FlushPolicy): boolean =>
  buffer.size > 0 &&
  (buffer.seq === 1 || buffer.size >= size || now >= buffer.since + Math.min(window / 2, window - spacing))

const isHighSurrogate = (unit: number): boolean => unit >= 0xd8_00 && unit <= 0xdb_ff

/** The index to split `text` at, so that at most `room` code units come before it and no character is split. */
const cutAt = (text: string, room: number): number =>
  room > 0 && room < text.length && isHighSurrogate(text.charCodeAt(room - 1)) ? room - 1 : Math.max(0, room)

/** Returns the segments of the next write, and the rest of the buffer. The buffer must not be empty. */
export const take = (buffer: Buffer): readonly [segments: ReadonlyArray<Segment>, rest: Buffer] => {
  const taken: Array<Segment> = []
  const left = [...buffer.segments]
  let room = maxWrite
  for (let next = left[0]; next !== undefined; next = left[0]) {
    const whole = sizeOf(next) <= room
    const at = whole ? next.text.length : isWhole(next) ? 0 : cutAt(next.text, room - next.partId.length)
    if (at === 0) break
    taken.push({ ...next, text: next.text.slice(0, at).toWellFormed() })
    room -= next.partId.length + at
    if (whole) left.shift()
    else left[0] = { ...next, text: next.text.slice(at) }
  }
  const size = left.reduce((sum, segment) => sum + sizeOf(segment), 0)
  return [taken, { seq: buffer.seq + 1, segments: left, size, since: buffer.since }]
}
