/** Async iteration without `effect/Stream`, which takes a quarter of the import of this package. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"

/**
 * Each iteration runs `open` at its first step, and the effect that this returns for each value. Its scope closes when the
 * iteration ends, which also ends a step that waits.
 */
export const iterate = <A, E>(
  open: Effect.Effect<Effect.Effect<A, E | Cause.Done>, E, Scope.Scope>
): AsyncIterable<A> => ({
  [Symbol.asyncIterator]: () => {
    const scope = Scope.makeUnsafe()
    let next: Effect.Effect<A, E | Cause.Done> = Effect.flatMap(Scope.provide(open, scope), (take) => {
      next = take
      return take
    })
    let closing: Promise<IteratorResult<A>> | undefined
    const close = () =>
      (closing ??= Effect.runPromise(Effect.as(Scope.close(scope, Exit.void), { done: true, value: undefined })))
    return {
      next: async () => {
        if (closing !== undefined) return closing
        const step = Effect.flatMap(Effect.forkIn(next, scope), Fiber.await)
        const exit = await Effect.runPromise(step)
        if (Exit.isSuccess(exit)) return { done: false, value: exit.value }
        // oxlint-disable-next-line typescript/no-unnecessary-condition -- the iteration may have ended during the step
        const isEnd = Pull.isDoneCause(exit.cause) || (closing !== undefined && Cause.hasInterruptsOnly(exit.cause))
        const end = await close()
        if (isEnd) return end
        throw Cause.squash(exit.cause)
      },
      return: close
    }
  }
})
