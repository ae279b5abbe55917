/** Collects the observations of a prompt after its case. */
import { TurnView } from "@opencode-worker/client"
import { Effect, Option } from "effect"
import { judge, type Violation } from "./Judge.ts"
import { textOf } from "./Operator.ts"
import { recordOf } from "./OpenCodeRecord.ts"
import type { Prompt } from "./Prompt.ts"
import { World } from "./World.ts"

export interface Outcome {
  readonly prompt: Prompt
  readonly status: string
  readonly violations: ReadonlyArray<Violation>
}

/** Part of the notice of a turn that was steered. */
const takeover = "took over"

/** Waits for the end of a prompt, and judges it. */
export const observe = Effect.fn("observe")(function* (prompt: Prompt, spared: boolean) {
  const { ended, home, operator, traces, worker } = yield* World
  const status = yield* Effect.option(ended(prompt))
  const view = Option.isSome(status) ? yield* operator.result(prompt.turnId) : TurnView.empty
  const record = yield* recordOf(home.environment["XDG_DATA_HOME"] ?? "", prompt.id)
  const unended = Option.isSome(status)
    ? ""
    : `a query reads ${yield* operator.readStatus(prompt.turnId)}; last lines of the worker: ${yield* worker.lastWords}`
  // The next turn of the session may wait for an answer.
  const pending = (yield* operator.pending(prompt.sessionId)).filter(({ turnId }) => turnId === prompt.turnId)
  const violations = judge({
    prompt,
    status: Option.getOrUndefined(status),
    unended,
    error: view.end?.error ? `${view.end.error.name}: ${view.end.error.message}` : "",
    texts: view.blocks.flatMap((block) => (block.kind === "text" ? [block.text] : [])),
    tools: view.blocks.flatMap((block) => (block.kind === "tool" ? [block.state] : [])),
    takenOver: textOf(view, "notice").includes(takeover),
    pending: pending.length,
    record,
    ran: yield* traces(prompt),
    spared
  })
  return { prompt, status: Option.getOrElse(status, () => "unfinished"), violations } satisfies Outcome
})
