/** Logs and counts what happens to the connection. */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { countReconnect } from "./metrics.ts"

/** `next`: the next state of the connection. Runs until they end. */
export const logConnection = (url: string, next: Effect.Effect<string, Cause.Done>) => {
  let lostAt: number | undefined
  const log = Effect.fnUntraced(function* (state: string) {
    const now = yield* Clock.currentTimeMillis
    if (state === "reconnecting" && lostAt === undefined) {
      lostAt = now
      yield* Effect.logWarning("The connection to the deployment is lost", { url })
    }
    if (state === "connected" && lostAt !== undefined) {
      const seconds = Math.round((now - lostAt) / 1000)
      lostAt = undefined
      yield* countReconnect
      yield* Effect.logInfo(`The connection to the deployment is back after ${seconds} s`, { url })
    }
  })
  return Effect.ignore(Effect.forever(Effect.flatMap(next, log)))
}
