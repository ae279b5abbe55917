/** The summary of a run of the demo, or of given prompts. */
import { Option } from "effect"
import type { Tally } from "./Chat.ts"
import { type ScreenText, screen } from "./output/ScreenText.ts"

export interface Run {
  /** Milliseconds from the start of the process until the worker was Ready. */
  readonly readyMillis: number
  /** Milliseconds that OpenCode took to boot, in parallel. */
  readonly bootMillis: number
  /** Number of fetches of the model list. */
  readonly fetches: number
  readonly hostId: string
  readonly tally: Tally
}

const millis = (value: number) => `${Math.round(value).toLocaleString("en")} ms`

/** `left`: ids of processes that the host started and that still run. */
export const summary = ({ bootMillis, fetches, readyMillis, tally }: Run, left: ReadonlyArray<number>): ScreenText => {
  const firstText = Option.match(tally.firstText, {
    onNone: () => "none",
    onSome: (at) => `${millis(at)} after the first prompt`
  })
  return screen`
Ready           ${millis(readyMillis)} after the start
OpenCode ready  ${millis(bootMillis)} after its start, which the chat does not wait for
First text      ${firstText}
Answers         ${tally.completed} of ${tally.turns} complete, in ${tally.pieces} pieces through a Convex subscription
Model fetches   ${fetches}
Processes left  ${left.length}${left.length === 0 ? "" : ` (${left.join(", ")})`}`
}
