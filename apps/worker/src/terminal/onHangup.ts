/** Closing the terminal ends the program like Ctrl-C. `runMain` handles SIGINT and SIGTERM, but not SIGHUP. */
import { Effect } from "effect"

const hangup = Effect.callback<never>((resume) => {
  const onHangup = () => resume(Effect.interrupt)
  process.once("SIGHUP", onHangup)
  return Effect.sync(() => process.off("SIGHUP", onHangup))
})

/** Runs `program` until it ends or the terminal closes. Its scopes are closed in both cases. */
export const interruptOnHangup = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.raceFirst(program, hangup)
