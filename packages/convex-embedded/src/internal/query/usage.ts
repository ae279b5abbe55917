/** Counts reads, writes and scheduled functions of one query or mutation. Each method fails beyond Convex's limit. */
import type { JSONValue } from "convex/values"
import { limits } from "../values/limits.ts"

/** For work of the deployment on a whole table. */
const unlimited = {
  ...limits,
  bytesRead: Infinity,
  bytesWritten: Infinity,
  documentsRead: Infinity,
  documentsWritten: Infinity
}

const ADVICE =
  "Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions."

export class Usage {
  readonly #limits: typeof limits | typeof unlimited
  #bytesRead = 0
  #bytesWritten = 0
  #documentsRead = 0
  #documentsWritten = 0
  #indexRanges = 0
  #scheduled = 0
  #scheduledBytes = 0

  constructor(isUnlimited: boolean) {
    this.#limits = isUnlimited ? unlimited : limits
  }

  countRange(): void {
    if (++this.#indexRanges > limits.indexRanges) {
      throw new Error(`Too many reads in a single function execution (limit: ${limits.indexRanges}). ${ADVICE}`)
    }
  }

  countRead(json: string): void {
    if (++this.#documentsRead > this.#limits.documentsRead) {
      throw new Error(
        `Too many documents read in a single function execution (limit: ${limits.documentsRead}). ${ADVICE}`
      )
    }
    this.#bytesRead += Buffer.byteLength(json)
    if (this.#bytesRead > this.#limits.bytesRead) {
      throw new Error(
        `Too many bytes read in a single function execution (limit: ${limits.bytesRead} bytes). ${ADVICE}`
      )
    }
  }

  /** `json`: empty for a deleted document. */
  countWrite(json: string): void {
    if (++this.#documentsWritten > this.#limits.documentsWritten) {
      throw new Error(`Too many documents written in a single function execution (limit: ${limits.documentsWritten})`)
    }
    this.#bytesWritten += Buffer.byteLength(json)
    if (this.#bytesWritten > this.#limits.bytesWritten) {
      throw new Error(`Too many bytes written in a single function execution (limit: ${limits.bytesWritten} bytes)`)
    }
  }

  countScheduled(args: JSONValue): void {
    this.#scheduledBytes += Buffer.byteLength(JSON.stringify(args))
    if (this.#scheduledBytes > limits.allScheduledArgumentBytes) {
      throw new Error(
        `Too large total size of the arguments of functions scheduled by this mutation (limit: ${limits.allScheduledArgumentBytes} bytes)`
      )
    }
    if (++this.#scheduled > limits.scheduledFunctions) {
      throw new Error(`Too many functions scheduled by this mutation (limit: ${limits.scheduledFunctions})`)
    }
  }
}
