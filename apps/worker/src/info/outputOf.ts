import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { Effect } from "effect"

const run = promisify(execFile)

/** The output of a program, or none if it fails or does not end in 10 s. */
export const outputOf = (program: string, args: ReadonlyArray<string>, cwd?: string) =>
  Effect.promise(() =>
    run(program, [...args], { timeout: 10_000, ...(cwd !== undefined && { cwd }) }).then(
      ({ stdout }) => stdout.trim(),
      () => null
    )
  )
