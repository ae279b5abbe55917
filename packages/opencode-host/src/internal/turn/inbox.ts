/**
 * All that a running turn has to handle, in the order in which it happened. One list instead of a stream for each source: a
 * piece of text costs a step of one fiber.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { HostError } from "../../HostError.ts"
import type { HostEvent } from "../../HostEvent.ts"
import { backlog, overflow } from "../server/hub.ts"
import type { Signal } from "./turnSteps.ts"

export interface Inbox {
  /** Events beyond the backlog are dropped together, and leave a gap. */
  readonly event: (event: HostEvent) => void
  /** Adds the signal of a source when it comes. A failure of the source is one of the turn. */
  readonly from: (source: Effect.Effect<Signal, HostError>) => Effect.Effect<void, never, Scope.Scope>
  /** Adds a signal, unless an equal one waits. */
  readonly remind: (signal: Signal) => void
  /** All signals, as soon as there is one. */
  readonly take: Effect.Effect<ReadonlyArray<Signal>, HostError>
}

const isEvent = ({ _tag }: Signal): boolean => _tag === "Event" || _tag === "Gap"

export const makeInbox = (): Inbox => {
  let signals: Array<Signal> = []
  let events = 0
  let failure: Cause.Cause<HostError> | undefined
  let wake: (() => void) | undefined

  const add = (signal: Signal) => {
    signals.push(signal)
    wake?.()
  }

  const taken = () => {
    const all = signals
    signals = []
    events = 0
    return all
  }

  return {
    event: (event) => {
      if (++events > backlog) {
        signals = signals.filter((signal) => !isEvent(signal))
        events = 1
        add(overflow)
      } else add(event)
    },
    from: (source) =>
      source.pipe(
        Effect.matchCause({
          onFailure: (cause) => {
            if (Cause.hasInterruptsOnly(cause)) return
            failure = cause
            wake?.()
          },
          onSuccess: add
        }),
        Effect.forkScoped,
        Effect.asVoid
      ),
    remind: (signal) => {
      if (!signals.includes(signal)) add(signal)
    },
    take: Effect.callback((resume) => {
      const respond = () => {
        wake = undefined
        resume(failure === undefined ? Effect.succeed(taken()) : Effect.failCause(failure))
      }
      if (failure !== undefined || signals.length > 0) respond()
      else wake = respond
      return Effect.sync(() => {
        wake = undefined
      })
    })
  }
}
