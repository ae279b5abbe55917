/**
 * Guards a request against an answer that was meant for something else: a second tap, or a key that was pressed before the
 * request was seen. Pure.
 */

/** Milliseconds for which a request is visible before it takes an answer. */
export const visibleTime = 600

export class AnswerGuard {
  #visibleSince: number | null = null
  #isTaken = false

  /** The request came into view, moved, or changed. */
  show(now: number): void {
    this.#visibleSince = now
  }

  hide(): void {
    this.#visibleSince = null
  }

  /** True for one answer, unless it comes too early. */
  take(now: number): boolean {
    if (this.#isTaken || this.#visibleSince === null || now - this.#visibleSince < visibleTime) return false
    this.#isTaken = true
    return true
  }

  /** The answer was not accepted: another one may be sent. */
  release(): void {
    this.#isTaken = false
  }
}
