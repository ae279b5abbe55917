/** `opencode-worker status`: the workers that run on this machine. */
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { AppError, exitCodes, toAppError } from "../AppError.ts"
import { findProcesses, type FoundProcess } from "../health/findProcesses.ts"
import type { WorkerReport } from "../health/RunningWorkers.ts"
import { age } from "../operator/age.ts"
import { jsonText } from "../operator/jsonText.ts"
import { target } from "../operator/output.ts"
import { endWithOutput } from "../terminal/output/endWithOutput.ts"
import { printLine } from "../terminal/output/Output.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import type { Style } from "../terminal/output/Style.ts"
import { descriptions } from "./descriptions.ts"

const flags = {
  json: Flag.Boolean("json").pipe(
    Flag.withDescription(
      "Print an array of { pid, version, startedAt, workers }; workers is null if a process does not respond"
    ),
    Flag.withDefault(false)
  )
}

const turns = (count: number, what: string) => `${count} ${what}`

const workerLines = (worker: WorkerReport, style: Style): ScreenText => {
  const { connected, deployment, detail, directory, epoch, healthy, opencode, openRequests, turns: counts } = worker
  const state = healthy ? style.strong(screen`${worker.state}`) : style.alarm(screen`${worker.state}`)
  const version = opencode.version === null ? "OpenCode" : `OpenCode ${opencode.version}`
  const facts = [
    `${connected ? "connected to" : "no connection to"} ${deployment}`,
    epoch === null ? "no lease" : `epoch ${epoch}`,
    `${version} ${opencode.running ? "runs" : "is stopped"}`,
    `${turns(counts.running, "running")}, ${turns(counts.queued, "queued")}`,
    ...(openRequests === 0 ? [] : [`${openRequests} waiting for an answer`])
  ]
  const cause = detail === null ? screen`` : screen`\n    ${ScreenText.line(detail)}`
  return screen`  ${state}  ${ScreenText.line(directory)}\n    ${ScreenText.line(facts.join(" · "))}${cause}`
}

const processLines = ({ pid, report }: FoundProcess, style: Style): ReadonlyArray<ScreenText> => {
  if (report === null) return [screen`${style.alarm(screen`process ${pid} does not respond`)}`]
  const since = age(Date.now() - report.startedAt)
  const head = screen`process ${pid}, opencode-worker ${report.version}, started ${since} ago`
  return [head, ...report.workers.map((worker) => workerLines(worker, style))]
}

const isHealthy = ({ report }: FoundProcess) =>
  report !== null && report.workers.length > 0 && report.workers.every(({ healthy }) => healthy)

export const status = Command.make(
  "status",
  flags,
  Effect.fn(
    function* ({ json }) {
      const found = yield* findProcesses
      const { style } = yield* target
      if (json) {
        const rows = found.map(({ pid, report }) => report ?? { pid, version: null, startedAt: null, workers: null })
        yield* printLine(jsonText(rows))
      } else {
        yield* Effect.forEach(
          found.flatMap((one) => processLines(one, style)),
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
