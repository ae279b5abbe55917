/** Every victim at every step of a turn. */
import { Effect, Option } from "effect"
import type { Violation } from "./Judge.ts"
import { observe } from "./Observe.ts"
import { type Reached, type Step, steps } from "./Steps.ts"
import { sparesOpenCode, strike, type Victim, victims } from "./Victim.ts"
import { World } from "./World.ts"

export interface Cell {
  readonly step: Step
  readonly victim: Victim
}

/** Ordered by step, so that a server is not killed more often than its worker is restarted. */
export const cells: ReadonlyArray<Cell> = steps.flatMap((step) => victims.map((victim) => ({ step, victim })))

export const nameOf = ({ step, victim }: Cell) => `${victim} / ${step.name}`

const interruptible: Readonly<Record<Reached, ReadonlyArray<string>>> = {
  not: ["completed"],
  perhaps: ["completed", "interrupted"],
  yes: ["interrupted"],
  finished: ["completed"],
  cut: ["interrupted"]
}

const spared = ({ step, victim }: Cell) => sparesOpenCode(victim) && step.reached !== "cut"

/** The allowed ends of the turn. */
const allowed = (cell: Cell) => (spared(cell) ? ["completed"] : interruptible[cell.step.reached])

const unexpected = (cell: Cell, status: string): ReadonlyArray<Violation> =>
  allowed(cell).includes(status)
    ? []
    : [{ kind: "lost", why: `it ended as ${status}, not as ${allowed(cell).join(" or ")}` }]

/** Brings a turn to the step, strikes the victim, and judges the turn and the next turn of its session. */
export const runCell = Effect.fn("Matrix.runCell")(function* (cell: Cell) {
  const { step, victim } = cell
  const world = yield* World
  if (step.session === "cold") {
    yield* world.worker.stop
    yield* world.worker.start
  }
  const sessionId = yield* world.createSession
  if (step.session === undefined) {
    const first = yield* world.send(sessionId, "text")
    yield* world.letGo(first)
    yield* world.awaitStatus(first, "completed")
  }
  const { prompt, stopped } = yield* step.reach(sessionId)
  yield* strike(victim, Option.fromUndefinedOr(stopped))
  yield* world.letGo(prompt)
  const outcome = yield* observe(prompt, spared(cell))
  const next = yield* world.send(sessionId, "text")
  yield* world.letGo(next)
  return [
    { ...outcome, violations: [...outcome.violations, ...unexpected(cell, outcome.status)] },
    yield* observe(next, true)
  ]
})
