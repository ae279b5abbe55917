/**
 * The state of an in-memory deployment with one worker.
 *
 * A transaction works on a copy, so a refused one writes nothing. A window is recomputed at each change.
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import { Clock, Effect, Stream, SubscriptionRef } from "effect"
import {
  type Answer,
  type AnsweredRequest,
  type ClaimedPrompt,
  ConvexSyncError,
  type DeltaBuffer,
  type ModelPublisher,
  type QueuedCommand,
  type ReadyTurn,
  type TurnResult
} from "../../../src/index.ts"
import { ConvexClientReason } from "@opencode-worker/effect-convex"

interface Session {
  readonly sessionId: Id<"sessions">
  readonly origin: "operator" | "opencode"
  opencodeSessionId: string | null
  title: string
  isTitledByOperator: boolean
  /** Milliseconds. */
  updated: number
}

interface Turn extends ReadyTurn, ClaimedPrompt {
  status: "queued" | "claimed" | "running" | TurnResult.TurnResult["outcome"]
  epoch: number | null
  messageId: string | null
  abortRequested: boolean
  deltas: Map<number, ReadonlyArray<DeltaBuffer.Segment>>
  parts: ReadonlyArray<TurnResult.FinalPart>
}

interface Request extends Omit<AnsweredRequest, "answer"> {
  readonly subject: string
  readonly always: { readonly scope: string; readonly label: string } | null
  readonly size: number
  /** Milliseconds. */
  readonly expiresAt: number
  status: "pending" | "answered" | "expired" | "cancelled"
  open: boolean
  answer?: Answer
}

interface Command extends Omit<QueuedCommand, "opencodeSessionId"> {
  status: "queued" | "done" | "failed"
  error: string | null
  begunIn?: number
}

export interface State {
  /** The start of the transaction, in milliseconds. */
  now: number
  rows: number
  epoch: number
  lease: { readonly processId: string; readonly expiresAt: number } | null
  presence: { readonly phase: string; readonly online: boolean }
  revoked: boolean
  sessions: Array<Session>
  /** The turns of a session, oldest first. */
  readonly turns: Array<Turn>
  readonly requests: Array<Request>
  readonly commands: Array<Command>
  readonly watched: Set<Id<"sessions">>
  watermark: number
  catalog: Parameters<ModelPublisher.ModelStore["publish"]>[0] | null
}

export const empty: State = {
  now: 0,
  rows: 0,
  epoch: 0,
  lease: null,
  presence: { phase: "paired", online: false },
  revoked: false,
  sessions: [],
  turns: [],
  requests: [],
  commands: [],
  watched: new Set(),
  watermark: 0,
  catalog: null
}

/** The error to throw in a transaction. */
export const refusal = (code: string, message: string) =>
  new ConvexSyncError({
    operation: "in memory",
    reason: new ConvexClientReason.Rejected({ code, message, data: { code, message } })
  })

/** Maps a thrown refusal to an error; anything else thrown is a bug. */
const attempt = <A>(body: () => A) =>
  Effect.try({
    try: body,
    catch: (cause) => {
      if (cause instanceof ConvexSyncError) return cause
      throw cause
    }
  })

/** Transactions and subscriptions for callers that pass `check`. */
export const doors = (ref: SubscriptionRef.SubscriptionRef<State>, check: (state: State) => void) => {
  const enter = <A>(state: State, body: (state: State) => A): A => {
    check(state)
    return body(state)
  }
  return {
    mutation: <A>(body: (state: State) => A) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        SubscriptionRef.modifyEffect(ref, (before) =>
          attempt(() => {
            const next = { ...structuredClone(before), now }
            return [enter(next, body), next] as const
          })
        )
      ),
    query: <A>(body: (state: State) => A) =>
      Effect.flatMap(SubscriptionRef.get(ref), (state) => attempt(() => enter(state, body))),
    subscribe: <A>(body: (state: State) => A) =>
      Stream.mapEffect(SubscriptionRef.changes(ref), (state) => attempt(() => enter(state, body)))
  }
}
export type Doors = ReturnType<typeof doors>

export const idOf = <Table extends "commands" | "requests" | "sessions" | "turns">(state: State, table: Table) =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only a deployment makes real ones
  `${table} ${++state.rows}` as Id<Table>

const found = <A>(row: A | undefined): A => {
  if (row === undefined) throw refusal("NotFound", "There is no such row")
  return row
}
export const turnOf = ({ turns }: State, id: Id<"turns">) => found(turns.find(({ turnId }) => turnId === id))
export const sessionOf = ({ sessions }: State, id: Id<"sessions">) =>
  found(sessions.find(({ sessionId }) => sessionId === id))
export const requestOf = ({ requests }: State, id: Id<"requests">) =>
  found(requests.find(({ requestId }) => requestId === id))
export const commandOf = ({ commands }: State, id: Id<"commands">) =>
  found(commands.find(({ commandId }) => commandId === id))

export const isOver = ({ status }: Turn): boolean => !["queued", "claimed", "running"].includes(status)
/** The running turn of a session, or else its first queued turn. */
export const head = ({ turns }: State, id: Id<"sessions">) =>
  turns.find((turn) => turn.sessionId === id && !isOver(turn))

export const newTurn = (state: State, sessionId: Id<"sessions">, text: string): Turn => ({
  turnId: idOf(state, "turns"),
  sessionId,
  text,
  model: null,
  agent: null,
  variant: null,
  delivery: "queue",
  command: null,
  budget: null,
  fileCount: 0,
  status: "queued",
  epoch: null,
  messageId: null,
  abortRequested: false,
  deltas: new Map(),
  parts: []
})

/** Stops a turn: deletes its streamed text and closes its requests. */
export const stop = (state: State, turn: Turn, status: Turn["status"]): void => {
  Object.assign(turn, { status, deltas: new Map() })
  for (const request of state.requests) {
    if (request.turnId === turn.turnId && request.open) Object.assign(request, { status: "cancelled", open: false })
  }
}
