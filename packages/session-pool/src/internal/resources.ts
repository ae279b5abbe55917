/** Opens and closes the resource of a slot, and reports the outcome to the admission policy. */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { Slot } from "./Slot.ts"
import type { CloseReason, PoolEvent } from "./types.ts"

export interface ResourceState<A, E> {
  readonly scope: Scope.Closeable
  readonly closed: Deferred.Deferred<void>
  opening: Fiber.Fiber<A, E> | undefined
  outcome: Exit.Exit<A, E>
}

const uninterruptible = { uninterruptible: true }
const pending = Exit.die("The resource was granted before it was opened")
const closing = Exit.die("The resource was granted after it was closed")

export const makeState = <A, E>(): ResourceState<A, E> => ({
  scope: Scope.makeUnsafe(),
  closed: Deferred.makeUnsafe(),
  opening: undefined,
  outcome: pending
})

export const makeResources = <K, A, E, R, W>(options: {
  readonly open: (key: K) => Effect.Effect<A, E, R>
  readonly context: Context.Context<Exclude<R, Scope.Scope>>
  readonly admission: {
    readonly opened: (slot: Slot<K, W, ResourceState<A, E>>) => boolean
    readonly failed: (slot: Slot<K, W, ResourceState<A, E>>) => boolean
    readonly closed: (slot: Slot<K, W, ResourceState<A, E>>) => void
  }
  readonly runCommands: () => void
  readonly publish: (event: PoolEvent<K>) => void
}) => {
  type ResourceSlot = Slot<K, W, ResourceState<A, E>>
  const { admission, context, publish, runCommands } = options
  const fork = Effect.runForkWith(context)

  /** The fiber is of the pool: it does not end with the caller that caused it. */
  const open = (slot: ResourceSlot) => {
    slot.payload.opening = fork(Scope.provide(options.open(slot.entry.key), slot.payload.scope))
    slot.payload.opening.addObserver((exit) => {
      slot.payload.outcome = exit
      if (Exit.isSuccess(exit)) opened(slot)
      else failed(slot, exit)
    })
  }

  const opened = (slot: ResourceSlot) => {
    if (!admission.opened(slot)) return
    publish({ _tag: "Opened", key: slot.entry.key })
    runCommands()
  }

  // An abandoned attempt is closed by `close`, which waits for its fiber.
  const failed = (slot: ResourceSlot, exit: Exit.Failure<A, E>) => {
    if (!admission.failed(slot)) return
    publish({ _tag: "Failed", key: slot.entry.key })
    runCommands()
    release(slot, exit, () => closed(slot))
  }

  const close = (slot: ResourceSlot, reason: CloseReason) => {
    const end = () =>
      release(slot, Exit.void, () => {
        publish({ _tag: "Closed", key: slot.entry.key, reason })
        closed(slot)
      })
    const { opening } = slot.payload
    slot.payload.opening = undefined
    slot.payload.outcome = closing
    if (reason !== "Abandoned" || opening === undefined) return end()
    opening.interruptUnsafe()
    opening.addObserver(end)
  }

  const closed = (slot: ResourceSlot) => {
    admission.closed(slot)
    Deferred.doneUnsafe(slot.payload.closed, Exit.void)
    runCommands()
  }

  const release = (slot: ResourceSlot, exit: Exit.Exit<unknown, unknown>, then: () => void) => {
    fork(Scope.close(slot.payload.scope, exit), uninterruptible).addObserver((released) => {
      if (Exit.isSuccess(released)) return then()
      const warning = Effect.logWarning(`A finalizer of ${String(slot.entry.key)} failed`, released.cause)
      fork(warning, uninterruptible).addObserver(then)
    })
  }

  return { open, close }
}
