/** The waiting part of a login on another device (RFC 8628, 3.5): asks until there is an answer or the code has expired. */
import { Effect } from "effect"

/** The response to one request: the provider has an answer, wants fewer requests, or was not reachable. */
export type Polled<A> =
  | { readonly _tag: "Answered"; readonly answer: A }
  | { readonly _tag: "Pending" | "SlowDown" | "Unreachable" }

/** Of a provider that names none, and added by `slow_down`. Seconds. */
const usual = 5
/** Without a connection the interval is doubled up to this. Seconds. */
const longest = 60
/** A provider can name a longer time. Seconds. */
const mostExpiry = 3600

const nextInterval = (seconds: number, { _tag }: Polled<unknown>): number => {
  if (_tag === "SlowDown") return seconds + usual
  return _tag === "Unreachable" ? Math.max(seconds, Math.min(longest, seconds * 2)) : seconds
}

/** `interval` and `expiresIn`: seconds, of the provider. Fails with `expired` after `expiresIn`. */
export const poll = <A, E, R, X>(
  request: Effect.Effect<Polled<A>, E, R>,
  options: { readonly interval: number | undefined; readonly expiresIn: number; readonly expired: X }
): Effect.Effect<A, E | X, R> =>
  Effect.gen(function* () {
    let interval = Math.max(1, options.interval ?? usual)
    for (;;) {
      yield* Effect.sleep(`${interval} seconds`)
      const polled = yield* request
      if (polled._tag === "Answered") return polled.answer
      interval = nextInterval(interval, polled)
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: `${Math.min(options.expiresIn, mostExpiry)} seconds`,
      orElse: () => Effect.fail(options.expired)
    })
  )
