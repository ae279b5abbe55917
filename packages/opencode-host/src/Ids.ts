/**
 * Ids in OpenCode's own ascending format, so that they sort among the server's.
 *
 * ```
 * msg_ 0199f3c2a001 Qd8…        prefix, 48 bits of (epoch ms × 4096 + counter) as hex, 14 random characters
 * ```
 *
 * The 48 bits wrap every 2^36 ms (795 days; next on 2028-10-17): never depend on the order across that.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
const randomLength = 14
/** Ids a millisecond; the next one borrows from the following millisecond, which keeps them ascending. */
const perMilli = 4096n

// One counter for the process: two fibers must never mint the same number.
let last = 0n

/**
 * Makes the id of a message (`msg`) or of a part (`prt`). Each id sorts after all ids made before it by this process,
 * also when the clock is set back.
 */
export const ascendingId = Effect.fnUntraced(function* (prefix: "msg" | "prt") {
  const now = BigInt(yield* Clock.currentTimeMillis) * perMilli
  // OpenCode's own counter starts at 1 in each millisecond.
  last = now > last ? now + 1n : last + 1n
  const time = BigInt.asUintN(48, last).toString(16).padStart(12, "0")
  let random = ""
  for (let index = 0; index < randomLength; index++) {
    random += alphabet.charAt(yield* Random.nextIntBetween(0, alphabet.length - 1))
  }
  return `${prefix}_${time}${random}`
})
