/**
 * All limits. Text is counted in UTF-16 code units (JavaScript's `length`), each of which takes at most 3 bytes when
 * stored, so that every row stays below Convex's limit of 1 MiB per document.
 */
import { appError } from "./errors.ts"

/** One prompt. At most 600 kB stored. */
export const MAX_PROMPT = 200_000
/** The head of a prompt in a turn, and of a part in an outline. */
export const MAX_HEAD = 200
/** Names, titles and idempotency keys. */
export const MAX_NAME = 500
/** A path of the worker's machine, as Linux limits it. */
export const MAX_PATH = 4_096
/** An error's message; long enough for a provider's reply. */
export const MAX_MESSAGE = 4_000
/** A title from the first line of a prompt. */
export const MAX_AUTOMATIC_TITLE = 50
/** Rows of one page or window: 20 prompts of the largest size are below the 16 MiB that a query may read. */
export const MAX_PAGE = 20
/** Steering prompts of one session that are not finished. */
export const MAX_STEERS = 10
/** Queued prompts of one session that can be listed and moved. */
export const MAX_QUEUED_TURNS = 100
/** Changed files of one turn, each with a name of 500 characters: at most 300 kB stored. */
export const MAX_CHANGED_FILES = 200
/** The patches of one turn together. */
export const MAX_PATCH = 200_000
/** Turns that are undone at once: their changed files are below the 16 MiB that a query may read. */
export const MAX_UNDONE_TURNS = 40
/** The result of a command as JSON. */
export const MAX_RESULT = 100_000
/** Rows of a list whose rows are small. */
export const MAX_SMALL_PAGE = 100
/** Sessions in one `sync.diff`: each reads up to two index ranges, of 4,096 per query, and a row of some kB. */
export const MAX_LOOKUPS = 1_000
/** Turns in one write of deltas: each costs two reads and a row. */
export const MAX_BATCHES = 100
/** Streamed text in one row of `deltas`: 100 rows, the size of a read or purge, are below 10 MB. */
export const MAX_DELTA = 32_000
/** An entry of an outline, in bytes of JSON: a page of 100 is 30 kB. */
export const MAX_OUTLINE_ENTRY = 300
/** The texts by which a turn is found, in characters: a row is at most 9 kB, and a search reads at most 1.8 MB. */
export const SEARCHED = { prompt: 3_000, answer: 3_000, tool: 2_000, path: 2_000 } as const
/** The text of a search, the results of one, and the snippet of a result. */
export const MAX_SEARCH = 200
export const MAX_SEARCH_RESULTS = 50
export const MAX_SNIPPET = 200
/** Entries of the agent's todo list, and the characters of each. */
export const MAX_TODOS = 50
export const MAX_TODO = 300
/** Final parts of one turn. */
export const MAX_PARTS = 2_000
/** Ids of the parts and messages that OpenCode has of one turn, below the 8,192 entries of an array. */
export const MAX_RECORD_IDS = 8_000
/** All final parts of one turn together: at most 9 MB stored, below the 16 MiB that one transaction may write. */
export const MAX_PARTS_TOTAL = 3_000_000
/** Turns of OpenCode's history in one transaction: prompts of the largest size are 6 MB in addition to 9 MB of parts. */
export const MAX_HISTORY = 10
/**
 * Parts of several turns of history in one transaction, which take an eighth of the second that a function may take. One
 * turn has up to `MAX_PARTS`.
 */
export const MAX_HISTORY_PARTS = 500
/** One row of `parts`; a longer payload takes several rows. */
export const MAX_PART_ROW = 250_000
/** An upper bound of the rows of a part. */
export const MAX_PART_CHUNKS = 20
/** The content of one request as JSON: at most 3 MB stored, below the 16 MiB that one transaction may write. */
export const MAX_REQUEST = 1_000_000
/** One row of a request's content: 50 rows, the size of a trim, are below 8 MB. */
export const MAX_REQUEST_ROW = 50_000
/** An upper bound of the rows of a request: a row that would end inside a character is one unit shorter. */
export const MAX_REQUEST_ROWS = 25
/** Agents from the root to the requesting one, inclusive. */
export const MAX_ASKED_BY = 10
/** Sections of a permission, questions of a request, options of a question. */
export const MAX_REQUEST_ENTRIES = 100
/** An answer as JSON. */
export const MAX_ANSWER = 20_000
/** Concurrently open requests of one turn. */
export const MAX_OPEN_REQUESTS = 100
/** Items of each kind in a list of the inbox. */
export const MAX_INBOX = 50
/** Devices of one operator that have read an item of the inbox. */
export const MAX_DEVICES_READ = 200
/** Targets of notifications of one operator, and the characters of a URL. */
export const MAX_NOTIFY_TARGETS = 20
export const MAX_URL = 2_000
/** Approvals for later requests in one turn, one session, and of one worker. */
export const MAX_APPROVALS = 200
/** A worker's models as JSON: about 5,000 of them. */
export const MAX_CATALOG = 3_000_000
/** An upper bound of its rows: a row that would end inside a character is one unit shorter. */
export const MAX_CATALOG_ROWS = 20
/** The agents, commands and skills of a worker as JSON: one row of at most 750 kB. */
export const MAX_CATALOG_ENTRIES = 250_000
/** Models with variants, by which prompts are checked: a row of about 60 kB. */
export const MAX_MODEL_VARIANTS = 1_000
/** Variants of one model. */
export const MAX_VARIANTS = 20
/** Names in the message of a refusal. */
export const MAX_NAMED = 20
/** Bytes of one file. */
export const MAX_FILE = 10 * 1024 ** 2
/** Characters of a file's name, and of its media type. */
export const MAX_FILE_NAME = 255
/** Files of one prompt. */
export const MAX_FILES = 10
/** Bytes of all files of one prompt, which the worker holds in memory and sends as one request. */
export const MAX_FILES_TOTAL = 20 * 1024 ** 2
/** Files that the agent produced in one turn. */
export const MAX_AGENT_FILES = 50
/** Bytes of all stored files of one owner. Convex Cloud includes 1 GB. */
export const MAX_OWNER_FILES = 512 * 1024 ** 2
/** Queries of one worker that are not closed. */
export const MAX_QUERIES = 20
/** The result of a query as JSON: at most 750 kB stored. */
export const MAX_QUERY_RESULT = 250_000
/** A shell command of an operator. */
export const MAX_SHELL = 10_000
/** Queued commands of one worker. */
export const MAX_QUEUED_COMMANDS = 100
/**
 * Deltas deleted in the transaction that ends their turn, which may also read and write 9 MB of parts. At maximum size
 * they are 1 MB, read to find and again to delete them.
 */
export const DELETE_BATCH = 10
/** Deltas deleted in each following scheduled transaction: 5 MB, read twice. */
export const PURGE_BATCH = 50
/** Deltas per page when the whole text of a turn is read: 1 MB at maximum size. */
export const STREAMED_PAGE = 10
/** The maximum of these pages: 10,000 deltas, at four per second for a watched turn. */
export const STREAMED_PAGES = 1_000
/** Pending pairings, 600 bytes each: the only rows that unauthenticated callers can create. */
export const MAX_PENDING_PAIRINGS = 1_000
/** UTF-8 bytes of the machine and the directory of a pairing. */
export const MAX_PAIRING_NAME = 100
/** Characters of a secret; a worker's secret has 43. A longer one is not hashed. */
export const MAX_SECRET = 200
/** Active devices and unused codes of an operator; as many revoked devices are kept in the list. */
export const MAX_DEVICES = 100
/** Unused codes for new devices of an operator. */
export const MAX_DEVICE_CODES = 10
/** Characters of a device's assertion. A real one has about 300. */
export const MAX_ASSERTION = 1_000
/** Expired pairings that each later expiry deletes, so that their number is limited. */
export const EXPIRED_PAIRINGS_BATCH = 4
/** Old rows deleted in one transaction: the largest, those of a request's content, are 150 kB. */
export const TRIM_BATCH = 50

/** The lifetime of a pairing code, which is short because operators type it. Milliseconds. */
export const PAIRING_LIFETIME = 10 * 60_000
/** How long an expired pairing is stored, so that `approve` can report its code as expired. Milliseconds. */
export const PAIRING_MEMORY = 60 * 60_000
/** Wrong codes of one operator, of a trillion possible ones, before all codes are rejected for `WRONG_CODES_WINDOW`. */
export const MAX_WRONG_CODES = 10
/** From the first wrong code. Milliseconds. */
export const WRONG_CODES_WINDOW = 10 * 60_000
/** The window of `QUOTA`. Milliseconds. */
export const QUOTA_WINDOW = 10 * 60_000
/** The limits of an operator's writes in a window. `OPENCODE_WORKER_QUOTA` in the deployment's environment multiplies it. */
export const QUOTA = { calls: 6_000, rows: 20_000, bytes: 100_000_000 } as const
/** An item of the inbox that changes or is read within this time sends no notification. Milliseconds. */
export const NOTIFY_DEBOUNCE = 5_000
/** The time limit of one request to a target. Milliseconds. */
export const NOTIFY_TIMEOUT = 10_000
/** The time after each attempt until the next, above the time limit of a request. The last one ends in giving up. Milliseconds. */
export const NOTIFY_DELAYS: ReadonlyArray<number> = [15_000, 60_000, 5 * 60_000, 30 * 60_000, 15_000]
/** How long a push service keeps a message for a device that is off. Seconds. */
export const NOTIFY_TTL = 24 * 3_600
/** Characters of the title and of the subject in a push message, which has at most 3,993 bytes. */
export const MAX_PUSH_TEXT = 400
/** The lifetime of the token for a push service, which accepts 24 hours. Milliseconds. */
export const PUSH_TOKEN_LIFETIME = 12 * 3_600_000
/** A worker answers a query within this time, or it expires. Milliseconds. */
export const QUERY_TIME = 15_000
/** How long a query that is not closed is kept, from the time at which it would expire. Milliseconds. */
export const QUERY_MEMORY = 45_000
/** The lifetime of a code for a new device. Milliseconds. */
export const DEVICE_CODE_LIFETIME = 5 * 60_000
/** The lifetime of a device's token, and the accepted age of its assertion. Milliseconds. */
export const DEVICE_TOKEN_LIFETIME = 5 * 60_000
/** `lastSeenAt` of a device is written at most this often. Milliseconds. */
export const DEVICE_SEEN_INTERVAL = 10 * 60_000
/** The age at which a queued prompt expires. Milliseconds. */
export const STALE_TURN = 24 * 3_600_000
export const DAY = 24 * 3_600_000
/** The age at which an upload that no turn refers to is deleted. Milliseconds. */
export const UNUSED_UPLOAD = DAY
/** Turns of a worker that was silent for this time are ended. Milliseconds. */
export const SILENT_WORKER = 7 * DAY
/**
 * Retention of rows from their creation. Milliseconds. Deltas are deleted when their turn ends; older ones are orphaned.
 * The viewer row of a watched session is recreated.
 */
export const RETENTION = {
  deltas: 30 * DAY,
  pairings: DAY,
  pairingFailures: DAY,
  deviceCodes: DAY,
  quotas: DAY,
  requests: 30 * DAY,
  commands: 30 * DAY,
  usedKeys: 30 * DAY,
  /** Results of turns in the inbox that are not pinned, from their time. */
  inbox: 30 * DAY,
  viewers: 7 * DAY,
  audit: 365 * DAY
} as const
/** The shortest time limit of a request; there is no longest one. Milliseconds. */
export const MIN_REQUEST_TIME = 1_000
/** The longest time limit of a request that has one. Milliseconds. */
export const MAX_REQUEST_TIME = 20 * 24 * 3_600_000
/** The time for the worker to close an expired request, before the deployment does. Milliseconds. */
export const REQUEST_GRACE = 60_000
/** Clients renew a watch every 20 s, and may miss one renewal. Milliseconds. */
export const WATCH_LIFETIME = 45_000
/** With this time left a renewal writes nothing, so several clients cost as much as one. Milliseconds. */
export const WATCH_RENEWAL = 30_000
/** Two missed heartbeats of 10 s each, and 5 s for the third to arrive. Milliseconds. */
export const LEASE_LIFETIME = 25_000

/** Parts of OpenCode that a reader does not see: they have no entry in an outline. */
const invisible: ReadonlySet<string> = new Set(["step-start", "step-finish", "snapshot"])
export const isVisible = (kind: string): boolean => !invisible.has(kind)

/** Rejects text that is shorter than `min` or longer than `max`, and names the field. */
export const checkText = (field: string, text: string, max: number, min = 1): void => {
  if (text.length < min || text.length > max) {
    throw appError("InvalidArgument", `${field} has ${text.length} characters; it takes ${min} to ${max}`)
  }
}

/** Rejects a time limit of a request, in milliseconds, that is too short or too long. Null: no limit. */
export const checkTimeLimit = (field: string, millis: number | null): void => {
  if (millis === null || (millis >= MIN_REQUEST_TIME && millis <= MAX_REQUEST_TIME)) return
  throw appError(
    "InvalidArgument",
    `${field} is ${millis}; it takes ${MIN_REQUEST_TIME} to ${MAX_REQUEST_TIME} milliseconds, or null`
  )
}

/** Rejects a budget without a limit, or with one that is not above 0. */
export const checkBudget = (
  field: string,
  { cost, tokens }: { readonly cost?: number; readonly tokens?: number }
): void => {
  const limits = [cost, tokens].filter((limit) => limit !== undefined)
  if (limits.length > 0 && limits.every((limit) => Number.isFinite(limit) && limit > 0)) return
  throw appError("InvalidArgument", `${field} takes cost, in US dollars, or tokens, or both: each above 0`)
}

/** Rejects names of a model, agent or variant that are too long. */
export const checkAnsweredBy = (by: { model: string; agent: string; variant?: string } | undefined): void => {
  for (const [field, text] of Object.entries(by ?? {})) checkText(`answeredBy.${field}`, text, MAX_NAME, 0)
}

/** Control characters, and characters that change the direction or lines of surrounding text. */
const unprintable = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u

/**
 * `checkText` for names that operators or workers choose, and that are shown to others. Also rejects control and
 * bidirectional characters.
 */
export const checkName = (field: string, name: string, max = MAX_NAME, min = 1): void => {
  checkText(field, name, max, min)
  const at = name.search(unprintable)
  if (at === -1) return
  const code = name.charCodeAt(at).toString(16).toUpperCase().padStart(4, "0")
  throw appError("InvalidArgument", `${field} has the control character U+${code} at position ${at}: leave it out`)
}

/** `name` with each control or bidirectional character replaced by a space. */
export const printable = (name: string): string => name.replaceAll(new RegExp(unprintable, "gu"), " ")

/** Whether it is a media type in lower case and without parameters, such as `image/png`. */
export const isMediaType = (type: string): boolean =>
  type.length <= MAX_FILE_NAME && /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/.test(type)

/** Rejects a list that is longer than `max`, and names the field. */
export const checkCount = (field: string, count: number, max: number): void => {
  if (count > max) throw appError("InvalidArgument", `${field} has ${count} entries; it takes at most ${max}`)
}

/** Limits a page size or window to 1 to `max`. */
export const clamp = (size: number, max: number): number => Math.min(Math.max(Math.trunc(size) || 1, 1), max)
