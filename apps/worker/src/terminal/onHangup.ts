/** A terminal that closes ends the program as Ctrl-C does: `runMain` sees to SIGINT and SIGTERM, not to SIGHUP. */
import { Effect } from "effect"

const hangup = Effect.callback<never>((resume) => {
  const onHangup = () => resume(Effect.interrupt)
  process.once("SIGHUP", onHangup)
  return Effect.sync(() => process.off("SIGHUP", onHangup))
})

/** Runs `program` until its end or until the terminal closes; its scopes are closed in either case. */
export const interruptOnHangup = <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.raceFirst(program, hangup)
