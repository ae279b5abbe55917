/** What mutations of clients answered, so that one that is sent again is answered and not repeated. */
import { createHash } from "node:crypto"
import type { StatementSync } from "node:sqlite"
import type { Call, RequestKey } from "./calls.ts"
import { canonicalPath } from "./functions.ts"
import type { SqlValue } from "./store.ts"
import type { Place } from "./sweep.ts"

/** Kept as long as Convex keeps them. */
const KEPT_NS = 14n * 24n * 3_600_000_000_000n
const AT_ONCE = 1000

export interface Answer {
  readonly ts: bigint
  readonly result: string
  /** `null` for one that a version without claims has recorded. */
  readonly claim: Uint8Array | null
}

interface Sql {
  readonly prepare: (sql: string, bigints: boolean) => StatementSync
  readonly run: (sql: string, ...parameters: Array<SqlValue>) => void
}

export class Answers {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  /** What the mutation with this key answered when it was committed, if it was. */
  get({ requestId, sessionId }: RequestKey): Answer | null {
    const row = this.#sql
      .prepare("SELECT ts, result, claim FROM requests WHERE session_id = ? AND request_id = ?", true)
      .get(sessionId, requestId)
    return (row as Answer | undefined) ?? null
  }

  put({ requestId, sessionId }: RequestKey, { claim, result, ts }: Answer): void {
    this.#sql.run("INSERT INTO requests VALUES (?, ?, ?, ?, ?)", sessionId, requestId, ts, result, claim)
  }

  /** Removes the old ones of the next answers behind `from`: gives where to go on. The table has no index of its own for it. */
  forget(from: Place | null, now: bigint): Place | null {
    const [sessionId, requestId] = from ?? ["", -1]
    const next = `SELECT session_id, request_id FROM requests WHERE (session_id, request_id) > (?, ?)
      ORDER BY session_id, request_id`
    const last = this.#sql.prepare(`${next} LIMIT 1 OFFSET ${AT_ONCE - 1}`, false).get(sessionId!, requestId!)
    this.#sql.run(
      `DELETE FROM requests WHERE (session_id, request_id) IN (${next} LIMIT ${AT_ONCE}) AND ts < ?`,
      sessionId!,
      requestId!,
      now - KEPT_NS
    )
    return last === undefined ? null : (Object.values(last) as unknown as Place)
  }
}

/** Identifies who called which function with which arguments. */
export const claimOf = ({ args, path }: Call, tokenIdentifier: string | null): Buffer =>
  createHash("sha256")
    .update(JSON.stringify([tokenIdentifier, canonicalPath(path), args]))
    .digest()

/**
 * Whether an answer is for this call. One to a client that had not signed in is also for who has since: clients send what
 * was under way again after they have.
 */
export const isAnswerTo = ({ claim }: Answer, call: Call): boolean => {
  const identifiers = call.identity === null ? [null] : [call.identity.tokenIdentifier, null]
  return claim !== null && identifiers.some((identifier) => claimOf(call, identifier).equals(claim))
}
