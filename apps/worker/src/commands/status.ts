/** `opencode-worker status`: the workers that run on this machine. */
import { Clock, Effect } from "effect"
import { Command } from "effect/cli"
import { AppError, exitCodes, toAppError } from "../AppError.ts"
import { findProcesses, type FoundProcess } from "../health/findProcesses.ts"
import { processLines } from "../health/statusLines.ts"
import { printedWhole, target, wholeJson } from "../operator/output.ts"
import { endWithOutput } from "../terminal/output/endWithOutput.ts"
import { printLine } from "../terminal/output/Output.ts"
import { descriptions } from "./descriptions.ts"

const flags = wholeJson(
  "Print an array of { pid, version, startedAt, workers }; workers is null if a process does not respond"
)

const isHealthy = ({ report }: FoundProcess) =>
  report !== null && report.workers.length > 0 && report.workers.every(({ healthy }) => healthy)

export const status = Command.make(
  "status",
  flags,
  Effect.fn(
    function* (given) {
      const found = yield* findProcesses
      const { style } = yield* target
      const now = yield* Clock.currentTimeMillis
      const rows = found.map(({ pid, report }) => report ?? { pid, version: null, startedAt: null, workers: null })
      if (!(yield* printedWhole(rows, given))) {
        yield* Effect.forEach(
          found.flatMap((one) => processLines(one, style, now)),
          printLine,
          { discard: true }
        )
      }
      if (found.length > 0 && found.every(isHealthy)) return
      const text =
        found.length === 0
          ? "No worker of yours runs on this machine: opencode-worker start runs one."
          : "At least one worker takes no prompts."
      return yield* new AppError({ text, exitCode: exitCodes.Temporary })
    },
    Effect.mapError(toAppError),
    endWithOutput(0)
  )
).pipe(Command.withDescription(descriptions.status))
