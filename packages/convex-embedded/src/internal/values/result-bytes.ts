/** The memory of a watched result. */
import type { WatchedRun } from "./calls.ts"

export const resultBytes = ({ journal, logLines, outcome }: WatchedRun): number =>
  outcomeBytes(outcome) + (journal?.length ?? 0) + logLines.reduce((sum, line) => sum + line.length, 0)

const outcomeBytes = (outcome: WatchedRun["outcome"]): number => {
  if ("json" in outcome) return outcome.json.length
  const { data, message, shown } = outcome.failure
  return message.length + shown.length + (data === undefined ? 0 : JSON.stringify(data).length)
}
