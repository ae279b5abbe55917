/**
 * Every bound in one place. Text is counted in UTF-16 code units (JavaScript's `length`), of which each takes at most
 * 3 bytes where it is stored, so that every row stays below Convex's limit of 1 MiB a document.
 *
 * @since 0.1.0
 */
import { refusal } from "./errors.ts"

/** One prompt. At most 600 kB stored. */
export const MAX_PROMPT = 200_000
/** Names, paths, titles, idempotency keys: what a person or a program chose, not what a model wrote. */
export const MAX_NAME = 500
/** A path of the worker's machine, as Linux limits it. */
export const MAX_PATH = 4_096
/** An error's message; long enough for a provider's reply. */
export const MAX_MESSAGE = 4_000
/** Title made of a prompt's first line. */
export const MAX_AUTOMATIC_TITLE = 50
/** Rows that one page or window may hold: 20 prompts of the largest size stay below the 16 MiB that a query may read. */
export const MAX_PAGE = 20
/** Turns that one transaction may read, wherever they are not asked for in pages: prompts of the largest size are 15 MB. */
export const MAX_TURNS_READ = 25
/** Rows of a list whose rows are small. */
export const MAX_SMALL_PAGE = 100
/** Sessions in one question: each takes up to two index ranges, of 4,096 that a query may read, and a row of some kB. */
export const MAX_LOOKUPS = 1_000
/** Turns in one write of deltas: each costs two reads and a row. */
export const MAX_BATCHES = 100
/** Streamed text in one row of `deltas`: 100 rows, which is what a read or a purge takes, stay below 10 MB. */
export const MAX_DELTA = 32_000
/** Final parts of one turn. */
export const MAX_PARTS = 2_000
/** All final parts of one turn together: at most 9 MB stored, below the 16 MiB that one transaction may write. */
export const MAX_PARTS_TOTAL = 3_000_000
/**
 * Turns of OpenCode's history in one transaction: prompts of the largest size are 6 MB beside 9 MB of parts, and each reads
 * a neighbour of that size.
 */
export const MAX_HISTORY = 10
/** One row of `parts`; a longer payload takes several rows. */
export const MAX_PART_ROW = 250_000
/** More than the rows of a part ever are. */
export const MAX_PART_CHUNKS = 20
/** The content of one request as JSON: at most 3 MB stored, below the 16 MiB that one transaction may write. */
export const MAX_REQUEST = 1_000_000
/** One row of a request's content: 50 of them, which is what a trim takes, stay below 8 MB. */
export const MAX_REQUEST_ROW = 50_000
/** More than the rows of a request ever are: one that would end within a character is a unit shorter. */
export const MAX_REQUEST_ROWS = 25
/** Agents between the root and the one that asks, both included. */
export const MAX_ASKED_BY = 10
/** Sections of a permission, questions of a request, options of a question. */
export const MAX_REQUEST_ENTRIES = 100
/** An answer as JSON. */
export const MAX_ANSWER = 20_000
/** Requests of one turn that may be open at the same time. */
export const MAX_OPEN_REQUESTS = 100
/** A worker's models as JSON: about 5,000 of them. */
export const MAX_CATALOG = 3_000_000
/** More than its pieces ever are: one that would end within a character is a unit shorter. */
export const MAX_CATALOG_ROWS = 20
/** Commands that may wait for one worker. */
export const MAX_QUEUED_COMMANDS = 100
/**
 * Deltas deleted in the transaction that ends their turn, which may read and write 9 MB of parts, too: of the largest size
 * they are 1 MB, read once to find them and once more to delete them.
 */
export const DELETE_BATCH = 10
/** Deltas deleted in each of the scheduled transactions that follow: 5 MB, read twice. */
export const PURGE_BATCH = 50
/** Deltas read at a time where a turn's whole text is wanted: of the largest size they are 1 MB. */
export const STREAMED_PAGE = 10
/** So many pages at most: 10,000 deltas, of which a reader causes four a second. */
export const STREAMED_PAGES = 1_000
/** Pairings that may wait for approval at the same time, 600 bytes each: the only rows that a stranger can create. */
export const MAX_PENDING_PAIRINGS = 1_000
/** UTF-8 bytes of what a stranger names: the machine and the directory of a pairing. */
export const MAX_PAIRING_NAME = 100
/** Characters of a secret, of which a worker's has 43. A longer one is not hashed. */
export const MAX_SECRET = 200
/** Expired pairings that each later expiry deletes, so that their number stays bounded, too. */
export const EXPIRED_PAIRINGS_BATCH = 4
/** Old rows deleted in one transaction: the largest, those of a request's content, are 150 kB. */
export const TRIM_BATCH = 50

/** A code is short because a person types it, so it is short-lived, too. Milliseconds. */
export const PAIRING_LIFETIME = 10 * 60_000
/** How long an expired pairing is remembered, so that `approve` can report its code as too old. Milliseconds. */
export const PAIRING_MEMORY = 60 * 60_000
/** Codes that one operator may get wrong, of a trillion that there are, before all their codes are refused for a while. */
export const MAX_WRONG_CODES = 10
/** Counted from the first of them. Milliseconds. */
export const WRONG_CODES_WINDOW = 10 * 60_000
/** A prompt that waited that long for its worker is not answered any more: the stale limit, by default. Milliseconds. */
export const STALE_TURN = 24 * 3_600_000
export const DAY = 24 * 3_600_000
/** A worker that was silent that long is not waited for any more: what it ran is ended. Milliseconds. */
export const SILENT_WORKER = 7 * DAY
/**
 * How long rows are kept, from their creation. Milliseconds. Deltas go when their turn ends, whoever ends it: what is left
 * of them is nobody's. A watch that somebody renews is made anew.
 */
export const RETENTION = {
  deltas: 30 * DAY,
  pairings: DAY,
  wrongCodes: DAY,
  requests: 30 * DAY,
  /** Longer than the requests, so that no request loses its content before it is deleted itself. */
  requestContents: 32 * DAY,
  commands: 30 * DAY,
  watches: 7 * DAY,
  audit: 365 * DAY
} as const
/** Longest time that a request may wait for a person. Milliseconds. */
export const MAX_REQUEST_TIME = 24 * 3_600_000
/** What a worker has to say itself that a request's time is over, before the server does. Milliseconds. */
export const REQUEST_GRACE = 60_000
/** Who reads along says so every 20 s, and once may be missed. Milliseconds. */
export const WATCH_LIFETIME = 45_000
/** With that much left, saying it again writes nothing: so several readers cost as much as one. Milliseconds. */
export const WATCH_RENEWAL = 30_000
/** Two missed heartbeats of 10 s each, and 5 s for the third to arrive. Milliseconds. */
export const LEASE_LIFETIME = 25_000

/** Refuses text that is shorter than `min` or longer than `max`, naming the field. */
export const checkText = (field: string, text: string, max: number, min = 1): void => {
  if (text.length < min || text.length > max) {
    throw refusal("InvalidArgument", `${field} has ${text.length} characters; it takes ${min} to ${max}`)
  }
}

/** Refuses names of a model, an agent or a variant that are too long. */
export const checkAnsweredBy = (by: { model: string; agent: string; variant?: string } | undefined): void => {
  for (const [field, text] of Object.entries(by ?? {})) checkText(`answeredBy.${field}`, text, MAX_NAME, 0)
}

/** Control characters, and those that change the direction or the lines of the text around them. */
const unprintable = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u

/**
 * `checkText` for names that people or programs choose, and that others read in lists and questions: refuses control and
 * bidirectional characters, too.
 */
export const checkName = (field: string, name: string, max = MAX_NAME, min = 1): void => {
  checkText(field, name, max, min)
  const at = name.search(unprintable)
  if (at === -1) return
  const code = name.charCodeAt(at).toString(16).toUpperCase().padStart(4, "0")
  throw refusal("InvalidArgument", `${field} has the control character U+${code} at position ${at}: leave it out`)
}

/** `name` with each control or bidirectional character replaced by a space. */
export const printable = (name: string): string => name.replaceAll(new RegExp(unprintable, "gu"), " ")

/** Refuses a list that is longer than `max`, naming the field. */
export const checkCount = (field: string, count: number, max: number): void => {
  if (count > max) throw refusal("InvalidArgument", `${field} has ${count} entries; it takes at most ${max}`)
}

/** A page size or window as asked, kept between 1 and `max`. */
export const bounded = (size: number, max: number): number => Math.min(Math.max(Math.trunc(size) || 1, 1), max)
