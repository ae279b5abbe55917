import { Effect, Exit } from "effect"

/** Keeps a token, of which each is valid for some minutes. A failure is not kept: the next attempt asks the source again. */
export const keptToken = <E, R>(source: Effect.Effect<string, E, R>) =>
  Effect.cachedWithTTL(source, (exit: Exit.Exit<string, E>) => (Exit.isSuccess(exit) ? "1 minute" : 0))
