/**
 * When streamed text is written, and as what. Pure: time comes in as a number.
 *
 * Invariants, property-tested
 * - What was appended comes out once, in order: the segments of all writes of a turn, joined part by part, are its text.
 * - No write of a turn is larger than `maxWrite`, and each is well-formed Unicode.
 * - Segments of tools and notices are whole: never merged, never cut.
 *
 * ```
 *   first text of a turn ─────────────────────────────────────▶ at once
 *   later text ── window (250 ms, or 4 s if nobody reads) or size (4 kB, or 16 kB) ── spacing ──▶ then
 * ```
 *
 * @since 0.1.0
 */
import { MAX_DELTA } from "@opencode-worker/convex-backend/limits"

/**
 * Streamed text of one part.
 *
 * @category models
 * @since 0.1.0
 */
export interface Segment {
  readonly partId: string
  /** `text` and `reasoning` go on where the part's last segment ended; each `tool` and each `notice` stands for itself. */
  readonly kind: "text" | "reasoning" | "tool" | "notice"
  readonly text: string
}

/**
 * How text is gathered. Sizes are in UTF-16 code units.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cadence {
  /** Milliseconds that text may wait for more. */
  readonly window: number
  /** Waiting text that is written without waiting for the window to end. */
  readonly size: number
  /** Least time between the starts of two writes, in milliseconds, except for first text and for a flush. */
  readonly spacing: number
}

/**
 * Somebody reads along: later text is there within 300 ms, at no more than 4 writes a second.
 *
 * @category constants
 * @since 0.1.0
 */
export const watched: Cadence = { window: 250, size: 4_096, spacing: 250 }

/**
 * Nobody reads along: a turn of 1,000 tokens takes about six writes.
 *
 * @category constants
 * @since 0.1.0
 */
export const unwatched: Cadence = { window: 4_000, size: 16_384, spacing: 250 }

/**
 * The cadence of a turn, by whether somebody reads along.
 *
 * @category operations
 * @since 0.1.0
 */
export const cadenceOf = (isWatched: boolean): Cadence => (isWatched ? watched : unwatched)

/**
 * The most that one write holds of one turn, in code units: half of the backend's limit, because ids count, too.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxWrite = MAX_DELTA / 2

/**
 * What one turn has waiting.
 *
 * @category models
 * @since 0.1.0
 */
export interface Buffer {
  /** Number of the next write, from 1. */
  readonly seq: number
  readonly segments: ReadonlyArray<Segment>
  /** Of `segments`, in code units. */
  readonly size: number
  /** Milliseconds: when the oldest of `segments` came. */
  readonly since: number
}

/**
 * @category constants
 * @since 0.1.0
 */
export const empty: Buffer = { seq: 1, segments: [], size: 0, since: 0 }

/** An id is stored with its text, so it counts, or many small segments could outgrow a row. */
const sizeOf = (segment: Segment): number => segment.partId.length + segment.text.length

const isWhole = ({ kind }: Segment): boolean => kind === "tool" || kind === "notice"

const continues = (last: Segment | undefined, next: Segment): last is Segment =>
  last !== undefined && !isWhole(next) && last.kind === next.kind && last.partId === next.partId

/** A tool's segment, or a notice, must fit whole; of any other at least one character, with its id. */
const fits = (segment: Segment): boolean =>
  segment.partId.length + (isWhole(segment) ? segment.text.length : 2) <= maxWrite

/**
 * Adds text that came at `now`. A tool's segment that no write could hold is left out: its final part shows it.
 *
 * @category operations
 * @since 0.1.0
 */
export const append = (buffer: Buffer, segment: Segment, now: number): Buffer => {
  if (segment.text === "" || !fits(segment)) return buffer
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

/**
 * When the next write is due, in milliseconds; `Infinity` when nothing waits. `lastWrite`: when the last write of any turn
 * began.
 *
 * @category operations
 * @since 0.1.0
 */
export const dueAt = (buffer: Buffer, lastWrite: number, cadence: Cadence): number => {
  if (buffer.size === 0) return Number.POSITIVE_INFINITY
  if (buffer.seq === 1) return buffer.since
  const gathered = buffer.size >= cadence.size ? buffer.since : buffer.since + cadence.window
  return Math.max(gathered, lastWrite + cadence.spacing)
}

/**
 * Whether waiting text goes along with a write that is made at `now` anyway: when the next write, which has to keep its
 * distance, would come too late for it, or when it has waited half of its window. So text waits no longer than its window,
 * the turns of one cadence fall into step, and those of a slow one are not drawn into every write of a fast one.
 *
 * @category operations
 * @since 0.1.0
 */
export const joins = (buffer: Buffer, now: number, { size, spacing, window }: Cadence): boolean =>
  buffer.size > 0 &&
  (buffer.seq === 1 || buffer.size >= size || now >= buffer.since + Math.min(window / 2, window - spacing))

const isHighSurrogate = (unit: number): boolean => unit >= 0xd8_00 && unit <= 0xdb_ff

/** Where to cut `text` so that at most `room` code units stay before, without cutting a character. */
const cutAt = (text: string, room: number): number =>
  room > 0 && room < text.length && isHighSurrogate(text.charCodeAt(room - 1)) ? room - 1 : Math.max(0, room)

/**
 * Takes the next write out: its segments, and the buffer that is left. The buffer must not be empty.
 *
 * @category operations
 * @since 0.1.0
 */
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
