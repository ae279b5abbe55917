/**
 * A state machine as a value: states and events are schemas, and what happens is one table that a person can read, a
 * compiler can check and a program can draw.
 *
 * ```
 *   (state, event) ──table──▶ move  { to: "Ready", data? }   leave the state, enter another (or the same anew)
 *                        ├──▶ stay  { stay: true | data }    accepted; the state's activity goes on
 *                        └──▶ InvalidTransition              nothing changes
 * ```
 *
 * Nothing in this module has an effect: `Actor` runs a machine.
 *
 * @since 0.1.0
 */
import { Result, type Schema } from "effect"
import { InvalidTransition, MachineError } from "./MachineError.ts"

/**
 * A member of a tagged union.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tagged {
  readonly _tag: string
}

/**
 * The tags of a tagged union.
 *
 * @category models
 * @since 0.1.0
 */
export type Tag<U extends Tagged> = U["_tag"]

/**
 * The member of a tagged union that carries the tag.
 *
 * @category models
 * @since 0.1.0
 */
export type Of<U extends Tagged, T extends Tag<U>> = Extract<U, { readonly _tag: T }>

/**
 * What a member of a tagged union holds beside its tag.
 *
 * @category models
 * @since 0.1.0
 */
export type Data<U extends Tagged, T extends Tag<U>> = Omit<Of<U, T>, "_tag">

/**
 * A condition on a rule. `note` names it in diagrams.
 *
 * @category models
 * @since 0.1.0
 */
export interface Guard<State, Event> {
  readonly note: string
  readonly test: (state: State, event: Event) => boolean
}

type Compute<State, Event, A> = (state: State, event: Event) => A

type Move<S extends Tagged, From, Event> = {
  readonly [To in Tag<S>]: {
    readonly to: To
    readonly stay?: never
    readonly when?: Guard<From, Event> | undefined
  } & (object extends Data<S, To>
    ? { readonly data?: Compute<From, Event, Data<S, To>> | undefined }
    : { readonly data: Compute<From, Event, Data<S, To>> })
}[Tag<S>]

interface Stay<From extends Tagged, Event> {
  readonly stay: true | Compute<From, Event, Omit<From, "_tag">>
  readonly to?: never
  readonly when?: Guard<From, Event> | undefined
}

/**
 * What a state does with an event: `to` leaves it for another state (or enters the same one anew), `stay` keeps it and
 * its activity, with new data or as it is.
 *
 * @category models
 * @since 0.1.0
 */
export type Rule<S extends Tagged, E extends Tagged, From extends Tag<S>, On extends Tag<E>> =
  | Move<S, Of<S, From>, Of<E, On>>
  | Stay<Of<S, From>, Of<E, On>>

/**
 * For each state, the events that it takes. Of several rules the first holds whose guard agrees. The compiler asks for
 * a row for every state.
 *
 * @category models
 * @since 0.1.0
 */
export type Table<S extends Tagged, E extends Tagged> = {
  readonly [From in Tag<S>]: {
    readonly [On in Tag<E>]?: Rule<S, E, From, On> | ReadonlyArray<Rule<S, E, From, On>>
  }
}

/**
 * A machine: its vocabulary, where it begins, and its table.
 *
 * @category models
 * @since 0.1.0
 */
export interface Machine<S extends Tagged, E extends Tagged> {
  /** Names the machine in errors, metrics, spans and logs. */
  readonly name: string
  readonly state: Schema.Codec<S, unknown>
  readonly event: Schema.Codec<E, unknown>
  readonly initial: S
  readonly table: Table<S, E>
}

/** The events that no row of the table takes. */
type Unhandled<E extends Tagged, T> = Exclude<Tag<E>, { [From in keyof T]: keyof T[From] }[keyof T]>

/**
 * Makes a machine. It does not compile while a state has no row, a row names an unknown state or event, a target lacks
 * data, or an event is taken nowhere.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <S extends Tagged, E extends Tagged, const T extends Table<S, E>>(definition: {
  readonly name: string
  readonly state: Schema.Codec<S, unknown>
  readonly event: Schema.Codec<E, unknown>
  readonly initial: NoInfer<S>
  readonly table: T & ([Unhandled<E, T>] extends [never] ? unknown : { readonly "no state takes": Unhandled<E, T> })
}): Machine<S, E> => definition

/**
 * What an accepted event leads to. `entered` says whether a state was entered (also the same one anew), so that
 * activities begin and end; otherwise the machine stayed where it was.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step<S extends Tagged> {
  readonly state: S
  readonly entered: boolean
}

/** A table without its per-cell types: `make` has checked them, and a lookup by a tag cannot carry them. */
interface AnyRule {
  readonly to?: string | undefined
  readonly data?: Compute<Tagged, Tagged, object> | undefined
  readonly stay?: true | Compute<Tagged, Tagged, object> | undefined
  readonly when?: Guard<Tagged, Tagged> | undefined
}
type AnyTable = Readonly<Record<string, Readonly<Record<string, AnyRule | ReadonlyArray<AnyRule>>>>>

const rowOf = (table: object, state: string) => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see AnyRule
  const rows = table as AnyTable
  return Object.hasOwn(rows, state) ? (rows[state] ?? {}) : {}
}

/**
 * All rules of the table as a flat list, in the table's order.
 *
 * @category accessors
 * @since 0.1.0
 */
export const rules = <S extends Tagged, E extends Tagged>(
  machine: Machine<S, E>
): ReadonlyArray<{
  readonly from: Tag<S>
  readonly event: Tag<E>
  /** The state entered; undefined where the machine stays. */
  readonly to: Tag<S> | undefined
  readonly guard: string | undefined
}> =>
  Object.keys(machine.table).flatMap((from) =>
    Object.entries(rowOf(machine.table, from)).flatMap(([event, cell]) =>
      [cell].flat().map((rule) => ({ from, event, to: rule.to, guard: rule.when?.note }))
    )
  )

/**
 * The events that a state takes. A guard may still refuse one.
 *
 * @category accessors
 * @since 0.1.0
 */
export const allowed = <S extends Tagged, E extends Tagged>(
  machine: Machine<S, E>,
  state: Tag<S>
): ReadonlyArray<Tag<E>> => Object.keys(rowOf(machine.table, state))

/**
 * Whether no rule leaves the state.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isFinal = <S extends Tagged, E extends Tagged>(machine: Machine<S, E>, state: Tag<S>): boolean =>
  rules(machine).every((rule) => rule.from !== state || rule.to === undefined)

/**
 * The whole behaviour of a machine, as a pure function. Fails with `InvalidTransition`.
 *
 * @category transitions
 * @since 0.1.0
 */
export const transition = <S extends Tagged, E extends Tagged>(
  machine: Machine<S, E>,
  state: S,
  event: E
): Result.Result<Step<S>, MachineError> => {
  const row = rowOf(machine.table, state._tag)
  const candidates = Object.hasOwn(row, event._tag) ? [row[event._tag] ?? []].flat() : []
  const rule = candidates.find(({ when }) => when === undefined || when.test(state, event))
  if (rule === undefined) {
    const names = { machine: machine.name, state: state._tag, event: event._tag }
    const reason = new InvalidTransition({ ...names, allowed: Object.keys(row) })
    return Result.fail(new MachineError({ reason }))
  }
  if (rule.stay === true) return Result.succeed({ state, entered: false })
  const entered = rule.to !== undefined
  const data = (entered ? rule.data : rule.stay)?.(state, event)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the compiler has checked each cell's data
  return Result.succeed({ state: { ...data, _tag: rule.to ?? state._tag } as Tagged as S, entered })
}

/**
 * Draws the machine as a Mermaid state diagram. Events that keep the state are left out: they do not move anything.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toMermaid = <S extends Tagged, E extends Tagged>(machine: Machine<S, E>): string => {
  const labels = new Map<string, Array<string>>()
  for (const { from, to, event, guard } of rules(machine)) {
    if (to === undefined) continue
    const edge = `${from} --> ${to}`
    const label = guard === undefined ? event : `${event} [${guard}]`
    labels.set(edge, [...(labels.get(edge) ?? []), label])
  }
  const edges = Array.from(labels, ([edge, events]) => `${edge}: ${events.join(", ")}`)
  const ends = Object.keys(machine.table).filter((state) => isFinal(machine, state))
  const lines = [`[*] --> ${machine.initial._tag}`, ...edges, ...ends.map((end) => `${end} --> [*]`)]
  return ["stateDiagram-v2", ...lines.map((line) => `    ${line}`)].join("\n")
}
