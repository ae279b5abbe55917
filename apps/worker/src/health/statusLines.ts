/** The lines of `opencode-worker status`. Pure. */
import { age } from "../operator/age.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import type { Style } from "../terminal/output/Style.ts"
import type { FoundProcess } from "./findProcesses.ts"
import type { WorkerReport } from "./RunningWorkers.ts"

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

/** `now`: milliseconds since 1970. */
export const processLines = ({ pid, report }: FoundProcess, style: Style, now: number): ReadonlyArray<ScreenText> => {
  if (report === null) return [screen`${style.alarm(screen`process ${pid} does not respond`)}`]
  const since = age(now - report.startedAt)
  const head = screen`process ${pid}, opencode-worker ${report.version}, started ${since} ago`
  return [head, ...report.workers.map((worker) => workerLines(worker, style))]
}
