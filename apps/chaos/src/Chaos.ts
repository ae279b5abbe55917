/** A whole run: the cases one after another in one world, and the processes that are left at its end. */
import { Cause, Clock, Effect, Exit } from "effect"
import { type Cell, nameOf, runCell } from "./Matrix.ts"
import { runAway } from "./Away.ts"
import type { Violation } from "./Judge.ts"
import type { Outcome } from "./Observe.ts"
import type { Case } from "./Report.ts"
import { describe, drawRounds, runRound } from "./Rounds.ts"
import { World } from "./World.ts"

export interface Plan {
  readonly cells: ReadonlyArray<Cell>
  /** Seconds without the deployment in the middle of an answer. 0 skips this case. */
  readonly away: number
  readonly rounds: number
  readonly seed: number
}

const violationsOf = ({ prompt, violations }: Outcome) =>
  violations.map(({ kind, why }) => ({ kind, why: `${prompt.id}, ${prompt.kind}: ${why}` }))

interface Ran {
  readonly outcomes: ReadonlyArray<Outcome>
  readonly memoryGrowthBytes?: number
  /** The status and the violations of an undo. */
  readonly undone?: { readonly status: string; readonly violations: ReadonlyArray<Violation> }
}

/** A worker that stopped without a request. */
const unexpectedStop = Effect.gen(function* () {
  const { worker } = yield* World
  if (yield* worker.isAlive) return []
  const why = `the worker stopped by itself: ${yield* worker.lastWords}`
  return [{ kind: "unsettled", why } satisfies Violation]
})

/** Runs a case. A case that fails reports its reason as a violation, and the world is repaired for the next case. */
const timed = Effect.fnUntraced(function* <E>(name: string, run: Effect.Effect<Ran, E, World>) {
  const { repair } = yield* World
  const began = yield* Clock.currentTimeMillis
  const exit = yield* Effect.exit(run)
  const milliseconds = (yield* Clock.currentTimeMillis) - began
  const stopped = yield* unexpectedStop
  if (Exit.isFailure(exit) || stopped.length > 0) yield* repair
  if (Exit.isSuccess(exit)) {
    const { outcomes, undone, ...more } = exit.value
    const statuses = [...outcomes, ...(undone === undefined ? [] : [undone])].map(({ status }) => status)
    const violations = [...outcomes.flatMap(violationsOf), ...(undone?.violations ?? []), ...stopped]
    return { name, turns: outcomes.length, statuses, violations, milliseconds, ...more } satisfies Case
  }
  const why = Cause.prettyErrors(exit.cause)
    .map(({ message }) => message)
    .join("; ")
  const violations = [{ kind: "unsettled", why } satisfies Violation, ...stopped]
  return { name, turns: 1, statuses: [], violations, milliseconds } satisfies Case
})

/** Runs the plan and reports each case. Returns the number of processes that were left, and kills them. */
export const run = Effect.fn("Chaos.run")(function* <E, R>(
  { away, cells, rounds, seed }: Plan,
  report: (each: Case) => Effect.Effect<void, E, R>
) {
  const world = yield* World
  for (const cell of cells) {
    yield* report(
      yield* timed(
        nameOf(cell),
        Effect.map(runCell(cell), (outcomes) => ({ outcomes }))
      )
    )
  }
  if (away > 0) {
    const absence = Effect.map(runAway(away), ({ memoryGrowthBytes, ...outcome }) => ({
      outcomes: [outcome],
      memoryGrowthBytes
    }))
    yield* report(yield* timed(`the deployment away for ${away} s`, absence))
  }
  for (const [index, round] of (yield* drawRounds(rounds, seed)).entries()) {
    const name = `round ${index + 1}: ${describe(round)}`
    yield* report(yield* timed(name, runRound(round)))
  }
  const { violations, ...notified } = yield* world.notifications
  if (rounds > 0) {
    const name = `${notified.expected} notifications, ${notified.repeats} repeated`
    yield* report({ name, turns: 0, statuses: [], violations, milliseconds: 0 })
  }
  const { changed, orphans, strangers } = yield* world.finish
  const faults = [
    ...(strangers > 0 ? [`${strangers} sessions exist that no operator created`] : []),
    ...changed.map((id) => `${id} ended again after it was judged`)
  ].map((why) => ({ kind: "duplicated" as const, why }))
  if (faults.length > 0) {
    yield* report({ name: "at the end", turns: 0, statuses: [], violations: faults, milliseconds: 0 })
  }
  return orphans
})
