/**
 * Orders turns that are listed from the newest to the oldest. Pure: the effects are in `History`.
 *
 * Invariants, property-tested
 * - Each turn that has ended is placed once, in the order in which it came.
 * - A turn's `newerId` names the turn that was placed before it.
 */
import * as Option from "effect/Option"

/** A turn as the agent lists it, by the id of its prompt. `T` is the turn; none while it goes on. */
export interface Listed<T> {
  readonly id: string
  readonly ended: Option.Option<T>
}

/** A turn, by the id of its prompt, and the one that came after it. */
export interface Placed<T> {
  readonly id: string
  readonly newerId: string | undefined
  readonly turn: T
}

/** The turn that was placed last; before the first one, the prompt that the newest turn comes before. */
export interface State {
  readonly newerId: string | undefined
}

/** `newerId`: a prompt that is not among the turns yet, and will come after them. */
export const begin = (newerId: string | undefined): State => ({ newerId })

/**
 * Places one more turn. One that goes on is not placed, but the deployment may know it, where it was asked: older turns
 * come before it.
 */
export const step = <T>({ newerId }: State, { ended, id }: Listed<T>): readonly [State, ReadonlyArray<Placed<T>>] =>
  Option.match(ended, {
    onNone: () => [{ newerId: newerId ?? id }, []],
    onSome: (turn) => [{ newerId: id }, [{ id, newerId, turn }]]
  })
