/** The results of client mutations, stored so that a mutation that a client sends again is answered and not repeated. */
import { hash } from "node:crypto"
import type { Call, RequestKey, SweepPosition } from "../values/calls.ts"
import { canonicalPath } from "../values/function-path.ts"
import type { Statements } from "./statements.ts"

/** Retention, as in Convex: 14 days in nanoseconds. */
const RETENTION_NS = 14n * 24n * 3_600_000_000_000n
/** Rows that one sweep step visits. */
const BATCH = 1000

export interface Answer {
  readonly ts: bigint
  readonly result: string
  /** `null` if a version without claims has recorded it. */
  readonly claim: Uint8Array | null
}

export class Answers {
  readonly #sql: Statements

  constructor(sql: Statements) {
    this.#sql = sql
  }

  /** The result of the mutation with this key, if it was committed. */
  get({ requestId, sessionId }: RequestKey): Answer | null {
    const row = this.#sql
      .prepare("SELECT ts, result, claim FROM requests WHERE session_id = ? AND request_id = ?", true)
      .get(sessionId, requestId)
    return (row as Answer | undefined) ?? null
  }

  put({ requestId, sessionId }: RequestKey, { claim, result, ts }: Answer): void {
    this.#sql.run("INSERT INTO requests VALUES (?, ?, ?, ?, ?)", sessionId, requestId, ts, result, claim)
  }

  /**
   * Deletes expired answers among the next `BATCH` rows after `from`. Returns where to continue. The table has no index
   * by time, so a sweep visits all rows.
   */
  sweep(from: SweepPosition | null, now: bigint): SweepPosition | null {
    const [sessionId, requestId] = from ?? ["", -1]
    const next = `SELECT session_id, request_id FROM requests WHERE (session_id, request_id) > (?, ?)
      ORDER BY session_id, request_id`
    const last = this.#sql.prepare(`${next} LIMIT 1 OFFSET ${BATCH - 1}`).get(sessionId!, requestId!)
    this.#sql.run(
      `DELETE FROM requests WHERE (session_id, request_id) IN (${next} LIMIT ${BATCH}) AND ts < ?`,
      sessionId!,
      requestId!,
      now - RETENTION_NS
    )
    return last === undefined ? null : (Object.values(last) as unknown as SweepPosition)
  }
}

/** A hash of the identity, function and arguments of a call. */
export const claimOf = ({ args, path }: Call, tokenIdentifier: string | null): Buffer =>
  hash("sha256", JSON.stringify([tokenIdentifier, canonicalPath(path), args]), "buffer")

/**
 * Whether an answer belongs to this call. The answer to an anonymous client also belongs to a client that has signed in
 * since: clients resend pending mutations after they authenticate.
 */
export const isAnswerTo = ({ claim }: Answer, call: Call): boolean => {
  const identifiers = call.identity === null ? [null] : [call.identity.tokenIdentifier, null]
  return claim !== null && identifiers.some((identifier) => claimOf(call, identifier).equals(claim))
}
