import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

/**
 * The outcome of one caller's request for a resource: a `Deferred` with one reader, without the cost of several. Both fields
 * are cleared after their use: an old object that is dead but not yet collected otherwise keeps new ones from being collected.
 */
export interface Grant<A, E> {
  exit: Exit.Exit<A, E> | undefined
  resume: ((exit: Exit.Exit<A, E>) => void) | undefined
}

export const make = <A, E>(): Grant<A, E> => ({ exit: undefined, resume: undefined })

export const done = <A, E>(grant: Grant<A, E>, exit: Exit.Exit<A, E>): void => {
  const { resume } = grant
  grant.exit = exit
  grant.resume = undefined
  resume?.(exit)
}

/** An interrupted reader ignores a later `resume`. */
export const wait = <A, E>(grant: Grant<A, E>): Effect.Effect<A, E> =>
  Effect.callback((resume) => {
    if (grant.exit) return resume(grant.exit)
    grant.resume = resume
  })
