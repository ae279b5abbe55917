/**
 * A state machine as a value: what happens is one table that a person can read, the compiler checks and a program can draw.
 *
 * ```
 *   (state, event) ──table──▶ move  { to: "Ready", data? }   leave the state, and enter another one or the same one again
 *                        ├──▶ stay  { stay: true | data }    accept the event; the state's activity continues
 *                        └──▶ InvalidTransition              nothing changes
 * ```
 *
 * This module has no effects: `Actor` runs a machine.
 */
import * as Result from "effect/Result"
import { MachineError } from "./MachineError.ts"
import { InvalidTransition } from "./MachineReason.ts"

/** A member of a tagged union. */
export interface Tagged {
  readonly _tag: string
}

/** The tags of a tagged union. */
export type Tag<U extends Tagged> = U["_tag"]

/** The member of a tagged union with the tag. */
export type Of<U extends Tagged, T extends Tag<U>> = Extract<U, { readonly _tag: T }>

/** The fields of a member of a tagged union, without its tag. */
export type Data<U extends Tagged, T extends Tag<U>> = Omit<Of<U, T>, "_tag">

/** A condition of a rule. `note` names it in diagrams. */
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
 * The reaction of a state to an event: `to` leaves it for another state, or enters the same one again; `stay` keeps it and
 * its activity, with new fields or unchanged.
 */
export type Rule<S extends Tagged, E extends Tagged, From extends Tag<S>, On extends Tag<E>> =
  | Move<S, Of<S, From>, Of<E, On>>
  | Stay<Of<S, From>, Of<E, On>>

/** For each state, the events that it accepts. Of several rules the first one applies whose guard holds. */
export type Table<S extends Tagged, E extends Tagged> = {
  readonly [From in Tag<S>]: {
    readonly [On in Tag<E>]?: Rule<S, E, From, On> | ReadonlyArray<Rule<S, E, From, On>>
  }
}

/** Carries a type: a `Schema` of it, or `Machine.type<…>()`. */
export interface TypeCarrier<A> {
  readonly Type?: A
}

/** Carries a type without a schema. */
export const type = <A extends Tagged>(): TypeCarrier<A> => ({})

export interface Machine<S extends Tagged, E extends Tagged> {
  /** Names the machine in errors, metrics, spans and logs. */
  readonly name: string
  readonly initial: S
  readonly table: Table<S, E>
}

/** The events that no row of the table accepts. */
type Unhandled<E extends Tagged, T> = Exclude<Tag<E>, { [From in keyof T]: keyof T[From] }[keyof T]>

/**
 * Makes a machine. It does not compile while a state has no row, a row names an unknown state or event, a target lacks
 * fields, or no state accepts an event.
 *
 * @example
 * ```ts
 * const lamp = Machine.make({
 *   name: "lamp",
 *   state: Machine.type<{ readonly _tag: "Off" } | { readonly _tag: "On"; readonly level: number }>(),
 *   event: Machine.type<{ readonly _tag: "Press" }>(),
 *   initial: { _tag: "Off" },
 *   table: { Off: { Press: { to: "On", data: () => ({ level: 3 }) } }, On: { Press: { to: "Off" } } }
 * })
 * ```
 */
export const make = <S extends Tagged, E extends Tagged, const T extends Table<S, E>>(definition: {
  readonly name: string
  readonly state: TypeCarrier<S>
  readonly event: TypeCarrier<E>
  readonly initial: NoInfer<S>
  readonly table: T & ([Unhandled<E, T>] extends [never] ? unknown : { readonly "no state accepts": Unhandled<E, T> })
}): Machine<S, E> => definition

/** The result of an accepted event. `entered`: a state was entered, so that activities end and begin. */
export interface Step<S extends Tagged> {
  readonly state: S
  readonly entered: boolean
}

/** A table without the types of its cells, which `make` has checked: a lookup by a tag cannot carry them. */
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

/** All rules of the table as a flat list, in the table's order. */
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

/** The events that a state accepts. A guard may still reject one. */
export const allowed = <S extends Tagged, E extends Tagged>(
  machine: Machine<S, E>,
  state: Tag<S>
): ReadonlyArray<Tag<E>> => Object.keys(rowOf(machine.table, state))

/** Whether no rule leaves the state. */
export const isFinal = <S extends Tagged, E extends Tagged>(machine: Machine<S, E>, state: Tag<S>): boolean =>
  rules(machine).every((rule) => rule.from !== state || rule.to === undefined)

/** The whole behaviour of a machine, as a pure function. Fails with `InvalidTransition`. */
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

/** Draws the machine as a Mermaid state diagram, without the events that keep the state. */
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
