/** Collects the observations of a prompt after its case. */
import { Effect, Option, Schema } from "effect"
import { judge, type Violation } from "./Judge.ts"
import { recordOf } from "./OpenCodeRecord.ts"
import type { Prompt } from "./Prompt.ts"
import { World } from "./World.ts"

const Part = Schema.fromJsonString(
  Schema.Struct({
    text: Schema.optionalKey(Schema.String),
    state: Schema.optionalKey(Schema.Struct({ status: Schema.String }))
  })
)
const decodePart = Schema.decodeUnknownEffect(Part)

export interface Outcome {
  readonly prompt: Prompt
  readonly status: string
  readonly violations: ReadonlyArray<Violation>
}

/** Waits for the end of a prompt, and judges it. */
export const observe = Effect.fn("observe")(function* (prompt: Prompt, spared: boolean) {
  const { ended, home, operator, traces } = yield* World
  const status = yield* Effect.option(ended(prompt))
  const rows = yield* operator.parts(prompt.turnId)
  const parts = yield* Effect.forEach(rows, ({ kind, payload }) =>
    Effect.map(decodePart(payload), (part) => ({ kind, ...part }))
  )
  const record = yield* recordOf(home.environment["XDG_DATA_HOME"] ?? "", prompt.id)
  const violations = judge({
    prompt,
    status: Option.getOrUndefined(status),
    error: yield* operator.error(prompt.turnId),
    texts: parts.flatMap(({ kind, text }) => (kind === "text" && text !== undefined ? [text] : [])),
    tools: parts.flatMap(({ state }) => (state === undefined ? [] : [state.status])),
    pending: (yield* operator.pending(prompt.sessionId)).length,
    record,
    ran: yield* traces(prompt),
    spared
  })
  return { prompt, status: Option.getOrElse(status, () => "unfinished"), violations } satisfies Outcome
})
