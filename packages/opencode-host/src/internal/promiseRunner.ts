/** Runs effects as promises, until it is disposed of. */
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as ManagedRuntime from "effect/ManagedRuntime"

export interface PromiseRunner<R> extends AsyncDisposable {
  /** Rejects with the error of the effect, with `signal.reason` after an abort, and with `closed` after disposal. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, R>, options?: { readonly signal?: AbortSignal }) => Promise<A>
}

export const makePromiseRunner = <R, ER>(
  runtime: ManagedRuntime.ManagedRuntime<R, ER>,
  closed: () => Error
): PromiseRunner<R> => {
  let isOpen = true
  return {
    run: async (effect, options) => {
      if (!isOpen) throw closed()
      options?.signal?.throwIfAborted()
      const exit = await runtime.runPromiseExit(effect, options)
      if (Exit.isSuccess(exit)) return exit.value
      if (!Cause.hasInterruptsOnly(exit.cause)) throw Cause.squash(exit.cause)
      options?.signal?.throwIfAborted()
      throw isOpen ? Cause.squash(exit.cause) : closed()
    },
    [Symbol.asyncDispose]: () => {
      isOpen = false
      return runtime.dispose()
    }
  }
}
