/** Output: with `--json` one object per line, otherwise text. */
import { execFile } from "node:child_process"
import { availableParallelism, totalmem } from "node:os"
import { promisify } from "node:util"
import { Console, Effect, Ref } from "effect"
import type { Violation } from "./Judge.ts"

const output = (program: string, ...args: ReadonlyArray<string>) =>
  Effect.promise(() =>
    promisify(execFile)(program, args).then(
      ({ stdout }) => stdout.trim(),
      () => null
    )
  )

const machine = Effect.fnUntraced(function* (openCodeProgram: string) {
  return {
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.version,
    opencode: yield* output(openCodeProgram, "--version"),
    commit: yield* output("git", "rev-parse", "--short", "HEAD"),
    quick: false
  }
})

/** The result of one case: a cell of the matrix, a round, or an absence. */
export interface Case {
  readonly name: string
  readonly turns: number
  /** How the turns ended. */
  readonly statuses: ReadonlyArray<string>
  readonly violations: ReadonlyArray<Violation>
  readonly milliseconds: number
  readonly memoryGrowthBytes?: number
}

/** The whole run. */
interface Total {
  readonly chaos: true
  readonly rounds: number
  readonly seed: number
  readonly turns: number
  readonly lost: number
  readonly duplicated: number
  readonly unsettled: number
  readonly orphans: number
}

const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`.padStart(8)

const forPeople = ({ memoryGrowthBytes, milliseconds, name, statuses, violations }: Case) =>
  [
    `${violations.length === 0 ? "✓" : "✗"} ${name.padEnd(40)} ${seconds(milliseconds)}  ${statuses.join(" ")}`,
    ...(memoryGrowthBytes === undefined ? [] : [`  memory grew by ${(memoryGrowthBytes / 1e6).toFixed(1)} MB`]),
    ...violations.map(({ kind, why }) => `  ${kind}: ${why}`)
  ].join("\n")

const rows = (row: object) =>
  Object.entries(row)
    .map(([name, value]) => `${name.padEnd(12)} ${value}`)
    .join("\n")

/** Prints each case and sums the counts. */
export const makeReport = Effect.fnUntraced(function* (options: {
  readonly json: boolean
  readonly rounds: number
  readonly seed: number
  readonly openCodeProgram: string
}) {
  const { json, openCodeProgram, rounds, seed } = options
  const counts = yield* Ref.make({ turns: 0, lost: 0, duplicated: 0, unsettled: 0 })
  const about = yield* machine(openCodeProgram)
  yield* Console.log(json ? JSON.stringify({ machine: about }) : `${rows({ ...about, seed })}\n`)

  return {
    add: Effect.fnUntraced(function* (each: Case) {
      const count = (kind: Violation["kind"]) => each.violations.filter((violation) => violation.kind === kind).length
      yield* Ref.update(counts, (now) => ({
        turns: now.turns + each.turns,
        lost: now.lost + count("lost"),
        duplicated: now.duplicated + count("duplicated"),
        unsettled: now.unsettled + count("unsettled")
      }))
      yield* Console.log(json ? JSON.stringify({ case: each.name, ...each, name: undefined }) : forPeople(each))
    }),
    /** Prints and returns the total. */
    end: Effect.fnUntraced(function* (orphans: number) {
      const total: Total = { chaos: true, rounds, seed, ...(yield* Ref.get(counts)), orphans }
      yield* Console.log(json ? JSON.stringify(total) : `\n${rows(total)}`)
      return total
    })
  }
})
