/** Events of an OpenCode turn as events of an `Agent`. */
import { MAX_TODOS } from "@opencode-worker/convex-backend/limits"
import type { AgentEvent, SubAgent, Todo, TurnResult } from "@opencode-worker/convex-sync"
import { ModelCache } from "@opencode-worker/model-cache"
import {
  answeredBy,
  childSessionId,
  contextTokens,
  type OpenCodeHost,
  type OpenCodeTodo,
  type OpenCodeToolPart,
  type TurnEvent
} from "@opencode-worker/opencode-host"
import { Effect, type FileSystem, Option } from "effect"
import * as ToolPreview from "../terminal/ToolPreview.ts"
import { turnChanges } from "./changes.ts"
import type { OpenSession } from "./openSession.ts"
import { finalParts } from "./finalParts.ts"
import { compactionNotice, deliveryNotice, retryNotice } from "./notices.ts"
import { toAgentRequest } from "./request.ts"

type Ended = Extract<TurnEvent, { readonly _tag: "Ended" }>

/** For text that is streamed, and that the final parts have in full. */
const short = (text: unknown): string => (typeof text === "string" ? text.slice(0, 200).toWellFormed() : "")

const shortTodo = ({ content, priority, status }: OpenCodeTodo): Todo => ({ content: short(content), status, priority })

const durationOf = ({ state }: OpenCodeToolPart): { readonly duration?: number } =>
  state.status === "completed" || state.status === "error" ? { duration: state.time.end - state.time.start } : {}

/** The sub-agent that a call of the `task` tool started. */
const childOf = (part: OpenCodeToolPart): { readonly child?: SubAgent } => {
  const sessionId = childSessionId(part)
  const { description, subagent_type: agent } = part.state.input
  return sessionId === undefined ? {} : { child: { sessionId, agent: short(agent), task: short(description) } }
}

/** The tokens in the model's context after the turn, and the size of that context, if it is known. */
const contextUse = Effect.fnUntraced(function* (messages: Ended["messages"]) {
  const tokens = contextTokens(messages)
  const model = answeredBy(messages)?.model
  if (tokens === undefined || model === undefined) return undefined
  const models = yield* ModelCache
  // The end of a turn does not wait for a list of models.
  const known = yield* models.resolve(model).pipe(Effect.timeoutOption("1 second"), Effect.orElseSucceed(Option.none))
  const limit = Option.getOrUndefined(known)?.limit?.context
  return { tokens, ...(limit !== undefined && { limit }) }
})

/** The first turn after OpenCode has lost a session reports this once. */
const toEnded = (
  session: OpenSession,
  { error, messages, outcome, takenOver, usage }: Ended,
  context: Effect.Success<ReturnType<typeof contextUse>>,
  changes: TurnResult.TurnResult["changes"]
): AgentEvent => {
  const notices = Option.toArray(session.lossNotice)
  session.lossNotice = Option.none()
  const completed = outcome === "completed"
  return {
    _tag: "Ended",
    outcome,
    error,
    usage,
    answeredBy: answeredBy(messages),
    context,
    changes,
    announcesLoss: notices.length > 0,
    parts: (streamed) => finalParts(messages, { notices, streamed, completed, takenOver })
  }
}

/** Empty for events that operators do not see. */
export const toAgentEvents = (
  session: OpenSession,
  messageId: string,
  event: TurnEvent
): Effect.Effect<ReadonlyArray<AgentEvent>, never, FileSystem.FileSystem | ModelCache | OpenCodeHost> => {
  switch (event._tag) {
    case "Delivered":
    case "RequestClosed":
      return Effect.succeed([event])
    case "DeliveryRetried":
      return Effect.succeed([deliveryNotice(event.message)])
    case "TextDelta":
      return Effect.succeed([{ ...event, text: event.delta }])
    case "ToolUpdated": {
      const { part } = event
      const preview = Option.toArray(ToolPreview.ofPart(part))
      const more = { ...durationOf(part), ...childOf(part) }
      return Effect.succeed(preview.map((shown) => ({ _tag: "ToolProgress", partId: part.id, ...shown, ...more })))
    }
    case "ToolOutput":
      return Effect.succeed([event])
    case "SubAgentUpdated":
      return Effect.succeed([{ ...event, _tag: "SubAgentProgress", current: short(event.current) }])
    case "TodosUpdated":
      return Effect.succeed([{ _tag: "Todos", todos: event.todos.slice(0, MAX_TODOS).map(shortTodo) }])
    case "RetryScheduled":
      return Effect.as(Effect.logInfo(`The model's provider failed, OpenCode tries again: ${event.message}`), [
        retryNotice(event)
      ])
    case "Compaction":
      return Effect.succeed([compactionNotice(event)])
    case "RequestOpened":
      return Effect.map(toAgentRequest(event.request), (request) => [{ _tag: "RequestOpened", request }])
    case "Ended":
      return Effect.zipWith(
        contextUse(event.messages),
        turnChanges({ sessionId: session.id, messageId }, event.messages),
        (context, changes) => [toEnded(session, event, context, changes)]
      )
  }
}
