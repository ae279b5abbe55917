/** The transcript of a sub-agent, from OpenCode's record. */
import type { QueryResults, SubAgentTurn } from "@opencode-worker/convex-backend/api"
import { MAX_QUERY_RESULT } from "@opencode-worker/convex-backend/limits"
import {
  answeredBy,
  classifyTurn,
  type ObservedTurn,
  OpenCodeHost,
  promptText,
  recordedTurns,
  usageOf
} from "@opencode-worker/opencode-host"
import { Data, Effect, Stream } from "effect"
import { finalParts } from "../opencode/finalParts.ts"

const maxTurns = 20
/** Characters of the JSON of a result. The deployment stores a little more. */
const maxLength = MAX_QUERY_RESULT * 0.9
/** Maximum lengths of each text, tried one after another until the transcript fits. In UTF-16 code units. */
const limits = [Number.POSITIVE_INFINITY, 20_000, 4_000, 1_000, 200]

/** No session of a sub-agent. */
export class NotASubAgent extends Data.TaggedError("NotASubAgent") {
  override readonly message = "OpenCode has no sub-agent with this session"
}

const cutTo = (limit: number, text: string): string =>
  text.length > limit ? `${text.slice(0, limit).toWellFormed()}…` : text

const toTurn = (turn: ObservedTurn): SubAgentTurn => {
  const { messages, sessionBusy, takenOver } = turn
  const state = classifyTurn(messages, { sessionBusy, takenOver })
  const outcome = state._tag === "Ended" ? state.outcome : sessionBusy ? "running" : "interrupted"
  const { cost, input, output } = usageOf(messages)
  const error = state._tag === "Ended" ? state.error : undefined
  return {
    text: promptText(turn),
    status: outcome,
    error: error === undefined ? null : { name: error.name, message: error.message },
    usage: { input, output, cost },
    answeredBy: answeredBy(messages) ?? null,
    parts: finalParts(messages, { completed: outcome === "completed", takenOver, isRunning: outcome === "running" })
  }
}

const shortened = (turn: SubAgentTurn, limit: number): SubAgentTurn => ({
  ...turn,
  text: cutTo(limit, turn.text),
  parts: turn.parts.map((part) => ({
    ...part,
    payload: JSON.stringify(
      JSON.parse(part.payload, (_, value: unknown) => (typeof value === "string" ? cutTo(limit, value) : value))
    )
  }))
})

const lengthOf = (turns: ReadonlyArray<SubAgentTurn>): number => JSON.stringify(turns).length

/** The newest turns that fit, with shorter texts where that is needed. Of a turn that does not fit, its last parts. */
export const fitTranscript = (all: ReadonlyArray<SubAgentTurn>): QueryResults["subAgent"] => {
  for (const limit of limits) {
    const turns = limit === Number.POSITIVE_INFINITY ? all : all.map((turn) => shortened(turn, limit))
    if (lengthOf(turns) <= maxLength) return { turns, truncated: turns !== all }
  }
  const turns = all.map((turn) => shortened(turn, 200))
  const kept: Array<SubAgentTurn> = []
  for (const turn of turns.toReversed()) {
    const left = maxLength - lengthOf(kept)
    let parts = turn.parts
    while (parts.length > 0 && lengthOf([{ ...turn, parts }]) > left) parts = parts.slice(Math.ceil(parts.length / 4))
    if (lengthOf([{ ...turn, parts }]) > left) break
    kept.unshift({ ...turn, parts })
    if (parts.length < turn.parts.length) break
  }
  return { turns: kept, truncated: true }
}

/** Fails with `NotASubAgent` for a session that no agent started. */
export const readSubAgent = Effect.fnUntraced(function* (sessionId: string) {
  const { client } = yield* OpenCodeHost
  const session = yield* Effect.catchReason(client.sessions.get(sessionId), "HostError", "NotFound", () =>
    Effect.fail(new NotASubAgent())
  )
  if (session.parentID === undefined) return yield* new NotASubAgent()
  const turns = yield* recordedTurns(client, sessionId).pipe(Stream.take(maxTurns + 1), Stream.runCollect)
  const { truncated, turns: fitting } = fitTranscript(turns.slice(0, maxTurns).toReversed().map(toTurn))
  return { turns: fitting, truncated: truncated || turns.length > maxTurns } satisfies QueryResults["subAgent"]
})
