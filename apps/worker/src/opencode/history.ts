/** The turns of one of OpenCode's sessions: opencode-host in the terms of convex-sync's history. */
import type { History } from "@opencode-worker/convex-sync"
import {
  answeredBy,
  classifyTurn,
  type HostError,
  type ObservedTurn,
  type OpenCodeClient,
  OpenCodeHost,
  promptText,
  recordedTurn,
  recordedTurns,
  type TurnFailure,
  type TurnState,
  type TurnUsage,
  usageWithAgents
} from "@opencode-worker/opencode-host"
import { Effect, Option, Stream } from "effect"
import { finalParts } from "./finalParts.ts"

const cutShort: TurnFailure = { name: "Interrupted", message: "OpenCode was stopped in the middle of this." }

export const hasMessage = (client: OpenCodeClient, sessionId: string, messageId: string) =>
  client.messages.get(sessionId, messageId).pipe(
    Effect.as(true),
    Effect.catchReason("HostError", "NotFound", () => Effect.succeed(false))
  )

/** The ids of all messages and parts that OpenCode has of the turn of a prompt. */
export const partIds = (client: OpenCodeClient, sessionId: string, messageId: string) =>
  Effect.map(recordedTurn(client, { sessionId, messageId }), (turn) =>
    (turn?.messages ?? []).flatMap(({ info, parts }) => [info.id, ...parts.map(({ id }) => id)])
  )

/** A shell command of a person has no model that reports its outcome. */
const stateOf = ({ kind, messages, takenOver }: ObservedTurn): TurnState =>
  kind === "shell" && messages.at(-1)?.info.time.completed !== undefined
    ? { _tag: "Ended", outcome: "completed", error: undefined }
    : classifyTurn(messages, { sessionBusy: false, takenOver })

/** None if the session may still run this turn, or if nothing has answered it yet: the next answer may be for both prompts. */
const ended = (turn: ObservedTurn, usage: TurnUsage): Option.Option<History.EndedTurn> => {
  const { messages, prompt, sessionBusy } = turn
  const { agent, model, time } = prompt.info
  const state = stateOf(turn)
  const incomplete = state._tag !== "Ended" || state.outcome === "interrupted"
  if (incomplete && (sessionBusy || messages.length === 0)) return Option.none()
  const outcome = incomplete ? "interrupted" : state.outcome
  const error = incomplete ? cutShort : state.error
  const answerer = turn.kind === "prompt" ? answeredBy(messages) : undefined
  const last = messages.at(-1)?.info.time
  return Option.some({
    text: promptText(turn),
    ...(agent !== undefined && { agent }),
    ...(model !== undefined && { model: `${model.providerID}/${model.modelID}` }),
    askedAt: time.created,
    finishedAt: last?.completed ?? last?.created ?? time.created,
    outcome,
    usage,
    ...(error !== undefined && { error: { name: error.name, message: error.message } }),
    ...(answerer !== undefined && { answeredBy: answerer }),
    parts: [
      ...finalParts(messages, {
        completed: turn.kind === "prompt" && outcome === "completed",
        takenOver: turn.takenOver
      })
    ]
  })
}

/**
 * The history of one OpenCode session. It excludes turns that may still run, and compactions that a person requested, which
 * have neither a prompt nor an answer.
 */
export const openCodeHistory = (sessionId: string) =>
  Effect.map(OpenCodeHost, ({ client }): History.HistorySource<HostError> => ({
    turns: recordedTurns(client, sessionId).pipe(
      Stream.filter(({ kind }) => kind !== "compaction"),
      Stream.mapEffect((turn) =>
        Effect.map(usageWithAgents(client, turn.messages), (usage) => ({
          id: turn.prompt.info.id,
          ended: ended(turn, usage)
        }))
      )
    ),
    has: (messageId) => hasMessage(client, sessionId, messageId),
    partIds: (messageId) => partIds(client, sessionId, messageId)
  }))
