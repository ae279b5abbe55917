/** The turns of a process as metrics. */
import { registerGauges } from "../metrics.ts"
import type { TurnHandle } from "./TurnHandle.ts"

export const registerTurnGauges = (handles: ReadonlyMap<string, TurnHandle>) => {
  const phases = (...wanted: ReadonlyArray<TurnHandle["phase"]>) =>
    [...handles.values()].filter(({ phase }) => wanted.includes(phase)).length
  return registerGauges({
    turns_running: { description: "Turns that are claimed", value: () => phases("claimed", "delivered") },
    turns_queued: {
      description: "Ready turns that wait for their claim; the deployment shows at most 20",
      value: () => phases("waiting")
    },
    requests_open: {
      description: "Requests of the agent that wait for an answer",
      value: () => [...handles.values()].reduce((sum, handle) => sum + handle.requests.size, 0)
    }
  })
}
