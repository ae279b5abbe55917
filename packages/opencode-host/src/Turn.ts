/**
 * The state of a turn, from its stored messages. Pure, so that running turns and recovery share it.
 */
import type { AssistantMessage, Part, ToolPart } from "@opencode-ai/sdk/v2/client"
import { withoutQuotes } from "./internal/redact.ts"
import type { AssistantWithParts } from "./OpenCodeClient.ts"
import type { TurnFailure, TurnOutcome, TurnUsage } from "./TurnEvent.ts"

/**
 * `NotStarted`: no model step is recorded. Whether the prompt itself was stored is another question (`Delivered`).
 */
export type TurnState =
  | { readonly _tag: "Running" }
  | { readonly _tag: "NotStarted" }
  | { readonly _tag: "Ended"; readonly outcome: TurnOutcome; readonly error: TurnFailure | undefined }

const running: TurnState = { _tag: "Running" }
const notStarted: TurnState = { _tag: "NotStarted" }
const ended = (outcome: TurnOutcome, error?: TurnFailure): EndState => ({ _tag: "Ended", outcome, error })
const interrupted = ended("interrupted")

/** After these OpenCode asks the model again, so an idle session did not end by them. */
const continues: ReadonlyArray<string> = ["tool-calls", "unknown"]

/**
 * Reads the state of a turn from its assistant messages (`RecordedTurn.messages`, oldest first) and from whether the
 * session is busy. `abortRequested` decides for an ended turn, since an abort may leave any trace or none.
 *
 * | newest answer, session idle | state |
 * | --- | --- |
 * | none, and no summary | not started |
 * | `MessageAbortedError` | aborted |
 * | any other error | failed |
 * | not completed | interrupted: the server died in it |
 * | completed, final `finish` | completed |
 * | completed, `tool-calls`, a tool in error | aborted: a permission or question was rejected |
 * | completed, anything else | interrupted |
 * | completed or none, and `takenOver`: the model answers a later prompt | completed |
 *
 * A summary is not an answer. It decides where the answer before it does not: a compaction that failed or was aborted ends
 * its turn, and one after which nothing follows leaves it interrupted.
 *
 * **Gotchas**
 *
 * Read the status before the messages: the other way round, a turn that ends in between looks interrupted. On an error
 * OpenCode says idle shortly before it stores the last message: read again before believing `interrupted` of a server
 * that is alive.
 */
export const classifyTurn = (
  assistants: ReadonlyArray<AssistantWithParts>,
  session: { readonly sessionBusy: boolean; readonly abortRequested?: boolean; readonly takenOver?: boolean }
): TurnState => {
  if (session.sessionBusy) return running
  const newest = assistants.at(-1)
  const isTakenOver = session.takenOver === true && (newest === undefined || isCompleted(newest))
  if (session.abortRequested === true && (newest !== undefined || isTakenOver)) return ended("aborted")
  if (isTakenOver) return ended("completed")
  if (newest === undefined) return notStarted
  const answer = assistants.findLast(({ info }) => info.summary !== true)
  if (answer === newest) return endOf(newest)
  const before = answer === undefined || continues.includes(answer.info.finish ?? "") ? interrupted : endOf(answer)
  return before.outcome === "interrupted" && newest.info.error !== undefined ? endOf(newest) : before
}

const isCompleted = ({ info: { error, time } }: AssistantWithParts) =>
  error === undefined && time.completed !== undefined

type EndState = Extract<TurnState, { readonly _tag: "Ended" }>

const endOf = ({ info: { error, finish, time }, parts }: AssistantWithParts): EndState => {
  if (error?.name === "MessageAbortedError") return ended("aborted")
  if (error !== undefined) return ended("failed", failureOf(error))
  if (time.completed === undefined || finish === undefined) return interrupted
  if (finish === "error") return ended("failed", { name: "UnknownError", message: "The model ended with an error" })
  if (!continues.includes(finish)) return ended("completed")
  const rejected = parts.find((part) => part.type === "tool" && part.state.status === "error")
  return rejected?.type === "tool" && rejected.state.status === "error"
    ? ended("aborted", { name: "Rejected", message: rejected.state.error })
    : interrupted
}

/**
 * An error of OpenCode in the turn's own terms. Only name, message and status: a provider's headers and body stay out.
 */
export const failureOf = (error: NonNullable<AssistantMessage["error"]>): TurnFailure => {
  const message = "message" in error.data && typeof error.data.message === "string" ? error.data.message : error.name
  const statusCode = error.name === "APIError" ? error.data.statusCode : undefined
  return {
    name: error.name,
    message: withoutQuotes(message).trim(),
    ...(statusCode === undefined ? {} : { statusCode })
  }
}

export const usageOf = (assistants: ReadonlyArray<AssistantWithParts>): TurnUsage =>
  assistants.reduce(
    (sum, { info: { cost, summary, tokens } }) => ({
      input: sum.input + tokens.input,
      output: sum.output + tokens.output,
      reasoning: sum.reasoning + tokens.reasoning,
      cacheRead: sum.cacheRead + tokens.cache.read,
      cacheWrite: sum.cacheWrite + tokens.cache.write,
      context: summary === true ? sum.context : tokens.input + tokens.cache.read + tokens.cache.write + tokens.output,
      cost: sum.cost + cost
    }),
    { input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0, context: 0, cost: 0 }
  )

/**
 * The tokens that the newest answered step left in the context of its model, cached ones included; undefined: no step has any.
 */
export const contextTokens = (assistants: ReadonlyArray<AssistantWithParts>): number | undefined => {
  const tokens = assistants
    .filter(({ info }) => info.summary !== true)
    .map(
      ({
        info: {
          tokens: { cache, input, output, reasoning }
        }
      }) => input + output + reasoning + cache.read + cache.write
    )
  return tokens.findLast((count) => count > 0)
}

/**
 * The session of the sub-agent that a tool call started, known from the call's first `running` state; undefined: it started none.
 */
export const childSessionId = ({ state }: ToolPart): string | undefined => {
  const id: unknown = "metadata" in state ? state.metadata?.["sessionId"] : undefined
  return typeof id === "string" ? id : undefined
}

/**
 * The parts of one assistant message that a reader sees: a step that was retried leaves its cut text before the last
 * `step-start`; of a summary, which OpenCode writes for the model, there are none.
 */
export const visibleParts = ({ info, parts }: AssistantWithParts): ReadonlyArray<Part> =>
  info.summary === true
    ? []
    : parts.slice(
        Math.max(
          0,
          parts.findLastIndex((part) => part.type === "step-start")
        )
      )

/**
 * Who answered.
 */
export interface AnsweredBy {
  /** `provider/model`. */
  readonly model: string
  readonly agent: string
  /** The model's variant, where one was used. */
  readonly variant?: string
}

/**
 * The model and the agent of the newest answer; undefined: there is none. OpenCode chooses those that a prompt does not name.
 */
export const answeredBy = (assistants: ReadonlyArray<AssistantWithParts>): AnsweredBy | undefined => {
  const answer = assistants.findLast(({ info }) => info.summary !== true)?.info
  if (answer === undefined) return undefined
  const { agent, modelID, providerID, variant } = answer
  return { model: `${providerID}/${modelID}`, agent, ...(variant !== undefined && { variant }) }
}
