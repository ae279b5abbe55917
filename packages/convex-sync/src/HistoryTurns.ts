/**
 * Turns out of messages that come from the newest to the oldest. Pure: the effects are in `History`.
 *
 * ```
 *   messages   a2 ─ a2 ─ p2 ─ a1 ─ p1          answers first, then what they answer
 *   turns                p2        p1: before p2
 * ```
 *
 * Invariants, property-tested
 * - Each prompt that has ended makes one turn, with its answers from the oldest to the newest, wherever they stand.
 * - A turn's `newerId` names the turn that was made before it.
 *
 * @since 0.1.0
 */
import { HashMap, Option } from "effect"

/**
 * A message, as much of it as is needed to find its turn. `A` is what an answer is, `T` a turn.
 *
 * @category models
 * @since 0.1.0
 */
export type Listed<A, T> =
  | {
      readonly _tag: "Prompt"
      readonly id: string
      /** The turn, given its answers from the oldest to the newest; none while it goes on. */
      readonly turn: (answers: ReadonlyArray<A>) => Option.Option<T>
    }
  | { readonly _tag: "Answer"; readonly promptId: string; readonly answer: A }

/**
 * A turn, by the id of its prompt, and the one that came after it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Placed<T> {
  readonly id: string
  readonly newerId: string | undefined
  readonly turn: T
}

/**
 * What was seen so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface State<A> {
  /** Answers whose prompt was not seen yet, the newest first. */
  readonly answers: HashMap.HashMap<string, ReadonlyArray<A>>
  /** The turn made last; before the first one, the prompt that the newest turn comes before. */
  readonly newerId: string | undefined
}

/**
 * `newerId`: a prompt that is not among the messages yet, and will come after them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const begin = <A>(newerId: string | undefined): State<A> => ({ answers: HashMap.empty(), newerId })

/**
 * What one more message makes complete.
 *
 * @category operations
 * @since 0.1.0
 */
export const step = <A, T>(state: State<A>, message: Listed<A, T>): readonly [State<A>, ReadonlyArray<Placed<T>>] => {
  const { answers, newerId } = state
  if (message._tag === "Answer") {
    const { answer, promptId } = message
    const more = [...Option.getOrElse(HashMap.get(answers, promptId), () => []), answer]
    return [{ answers: HashMap.set(answers, promptId, more), newerId }, []]
  }
  const { id } = message
  const own = Option.getOrElse(HashMap.get(answers, id), (): ReadonlyArray<A> => [])
  const rest = HashMap.remove(answers, id)
  return Option.match(message.turn(own.toReversed()), {
    // One that goes on may be known to the deployment, where it was asked.
    onNone: () => [{ answers: rest, newerId: newerId ?? id }, []],
    onSome: (turn) => [{ answers: rest, newerId: id }, [{ id, newerId, turn }]]
  })
}
