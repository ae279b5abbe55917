/** Opens and closes the resource of a slot, and reports the outcome to the admission policy. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { Slot } from "./Slot.ts"
import type { CloseReason, PoolEvent } from "./types.ts"

export interface ResourceState<A, E> {
  readonly scope: Scope.Closeable
  readonly closed: Deferred.Deferred<void>
  opening: Fiber.Fiber<void> | undefined
  outcome: Exit.Exit<A, E>
}

const pending = Exit.die("The resource was granted before it was opened")

export const makeState = <A, E>(): ResourceState<A, E> => ({
  scope: Scope.makeUnsafe(),
  closed: Deferred.makeUnsafe(),
  opening: undefined,
  outcome: pending
})

export const makeResources = <K, A, E, R, W>(options: {
  readonly open: (key: K) => Effect.Effect<A, E, R>
  readonly admission: {
    readonly opened: (slot: Slot<K, W, ResourceState<A, E>>) => boolean
    readonly failed: (slot: Slot<K, W, ResourceState<A, E>>) => boolean
    readonly closed: (slot: Slot<K, W, ResourceState<A, E>>) => void
  }
  readonly runCommands: () => void
  readonly publish: (event: PoolEvent<K>) => void
}) => {
  type ResourceSlot = Slot<K, W, ResourceState<A, E>>
  const { admission, publish, runCommands } = options

  const open = (slot: ResourceSlot) =>
    Effect.uninterruptibleMask((restore) =>
      restore(options.open(slot.entry.key)).pipe(
        Scope.provide(slot.payload.scope),
        Effect.exit,
        Effect.flatMap((exit) => {
          slot.payload.outcome = exit
          return Exit.isSuccess(exit) ? opened(slot) : failed(slot, exit)
        })
      )
    )

  const opened = (slot: ResourceSlot) =>
    Effect.sync(() => {
      if (!admission.opened(slot)) return
      publish({ _tag: "Opened", key: slot.entry.key })
      runCommands()
    })

  // An abandoned attempt is closed by `close`, which waits for this fiber.
  const failed = (slot: ResourceSlot, exit: Exit.Failure<A, E>) =>
    Effect.suspend(() => {
      if (!admission.failed(slot)) return Effect.void
      publish({ _tag: "Failed", key: slot.entry.key })
      runCommands()
      return Effect.andThen(release(slot, exit), closed(slot))
    })

  const close = (slot: ResourceSlot, reason: CloseReason) =>
    Effect.gen(function* () {
      if (reason === "Abandoned" && slot.payload.opening) yield* Fiber.interrupt(slot.payload.opening)
      yield* release(slot, Exit.void)
      publish({ _tag: "Closed", key: slot.entry.key, reason })
      yield* closed(slot)
    })

  const closed = (slot: ResourceSlot) =>
    Effect.sync(() => {
      admission.closed(slot)
      Deferred.doneUnsafe(slot.payload.closed, Exit.void)
      runCommands()
    })

  const release = (slot: ResourceSlot, exit: Exit.Exit<unknown, unknown>) =>
    Scope.close(slot.payload.scope, exit).pipe(
      Effect.catchCause((cause) => Effect.logWarning(`A finalizer of ${String(slot.entry.key)} failed`, cause))
    )

  return { open, close }
}
