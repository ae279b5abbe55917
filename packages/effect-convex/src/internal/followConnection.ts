/** Logs and counts what happens to the connection. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { countReconnect } from "./metrics.ts"

/** `connection`: its states. Runs until they end. */
export const followConnection = (url: string, connection: Stream.Stream<string>) => {
  let lostAt: number | undefined
  return Stream.runForEach(
    connection,
    Effect.fnUntraced(function* (state) {
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
  )
}
