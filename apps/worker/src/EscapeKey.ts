/**
 * The keyboard while an answer streams: Esc stops it, Ctrl-C leaves.
 *
 * Invariant: keys are read in raw mode, so what else reads from the terminal does so in `apart` alone, or after the scope.
 *
 * @since 0.1.0
 */
import { Deferred, Effect, FiberHandle, Option, Stream, Terminal } from "effect"

/**
 * @category models
 * @since 0.1.0
 */
export interface EscapeKey {
  /** Ends as interrupted at Ctrl-C, which is no signal in raw mode. */
  readonly quit: Effect.Effect<never>
  /** Runs something that reads lines from the terminal, with the keys out of its way. */
  readonly apart: <A, E, R>(reading: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** The terminal leaves raw mode 10 ms after its last reader of keys: a line typed before that would be lost between the modes. */
const leaveRawMode = Effect.sleep("20 millis")

/** Where no person is: nothing is listened to. */
export const noKeys: EscapeKey = { quit: Effect.never, apart: (reading) => reading }

/**
 * Does `onEscape` at each Esc, for as long as the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const escapeKey = Effect.fnUntraced(function* <R>(onEscape: Effect.Effect<void, never, R>) {
  const terminal = yield* Terminal.Terminal
  const quit = yield* Deferred.make<never>()
  // Registered first, so that it comes after the listener's end.
  yield* Effect.addFinalizer(() => leaveRawMode)
  const listener = yield* FiberHandle.make<void>()
  // The terminal's keys end with Esc, Ctrl-C, Ctrl-D, or the input.
  const last = Effect.scoped(Effect.flatMap(terminal.readInput, (keys) => Stream.runLast(Stream.fromQueue(keys))))
  const onKey = ({ key }: Terminal.UserInput) => {
    if (key.name === "escape") return onEscape
    return key.ctrl && key.name === "c" ? Effect.asVoid(Deferred.interrupt(quit)) : Effect.never
  }
  const listen = Effect.forever(Effect.flatMap(last, Option.match({ onNone: () => Effect.never, onSome: onKey })))
  const context = yield* Effect.context<R>()
  const begin = Effect.asVoid(FiberHandle.run(listener, Effect.provideContext(listen, context)))
  yield* begin
  const keys: EscapeKey = {
    quit: Deferred.await(quit),
    apart: (reading) =>
      FiberHandle.clear(listener).pipe(Effect.andThen(leaveRawMode), Effect.andThen(reading), Effect.ensuring(begin))
  }
  return keys
})
