import { Effect, Option, Schema } from "effect"
import type { Store } from "../Actor.ts"
import type * as Machine from "../Machine.ts"

/** The state to begin in: the stored one, if there is one that the machine knows. */
export const restore = Effect.fnUntraced(function* <S extends Machine.Tagged, E extends Machine.Tagged>(
  machine: Machine.Machine<S, E>,
  store: Store | undefined
) {
  const stored = store ? yield* store.load : Option.none()
  if (Option.isNone(stored)) return machine.initial
  return yield* Schema.decodeUnknownEffect(machine.state)(stored.value).pipe(
    Effect.catch((error) =>
      Effect.as(
        Effect.logWarning(`${machine.name}: the stored state is not one of ours, beginning anew`, error),
        machine.initial
      )
    )
  )
})

/** A store that fails costs the memory of the state, never the machine. */
export const save = <S extends Machine.Tagged, E extends Machine.Tagged>(
  machine: Machine.Machine<S, E>,
  state: S,
  store: Store | undefined
) =>
  store
    ? Schema.encodeEffect(machine.state)(state).pipe(
        Effect.flatMap(store.save),
        Effect.catchCause((cause) =>
          Effect.logWarning(`${machine.name}: the state ${state._tag} was not stored`, cause)
        )
      )
    : Effect.void
