/** The ports of a process in an in-memory deployment, in the epoch of its lease. */
import { Effect } from "effect"
import type { Id } from "@opencode-worker/convex-backend/api"
import { MAX_REQUEST } from "@opencode-worker/convex-backend/limits"
import type { LeaseStore, SessionMerge, TurnResult } from "../../../src/index.ts"
import type { Process } from "../../conformance/Worker.ts"
import {
  commandOf,
  type Doors,
  head,
  idOf,
  isOver,
  newTurn,
  refusal,
  requestOf,
  sessionOf,
  type State,
  stop,
  turnOf
} from "./State.ts"

/** Milliseconds. */
const leaseLifetime = 25_000
/** Limits: rows, characters in a batch of text, characters in a title. */
const [window, maxDelta, maxTitle] = [20, 32_000, 500]

const prolong = (state: State, processId: string, phase: string) => {
  const leaseExpiresAt = state.now + leaseLifetime
  Object.assign(state, { lease: { processId, expiresAt: leaseExpiresAt }, presence: { phase, online: true } })
  return { leaseExpiresAt, serverTime: state.now }
}

export const leaseOver = (unleased: Doors, under: (epoch: number) => Doors): LeaseStore => ({
  acquire: (processId) =>
    unleased.mutation((state) => {
      const { lease, now } = state
      if (lease !== null && lease.processId !== processId && lease.expiresAt > now) {
        throw refusal("Conflict", "Another process runs this worker")
      }
      state.epoch += 1
      return { ...prolong(state, processId, "connecting"), epoch: state.epoch }
    }),
  heartbeat: (epoch, phase) => under(epoch).mutation((state) => prolong(state, state.lease?.processId ?? "", phase)),
  release: (epoch) =>
    under(epoch).mutation((state) => {
      Object.assign(state, { epoch: epoch + 1, lease: null, presence: { phase: "stopped", online: false } })
    })
})

const isReady = (state: State, { sessionId, status, turnId }: State["turns"][number]): boolean =>
  status === "queued" && head(state, sessionId)?.turnId === turnId

export const deltasOver =
  ({ mutation }: Doors, epoch: number): Process["write"] =>
  (batches) =>
    mutation((state) => {
      const own = batches.flatMap(({ segments, seq, turnId }) => {
        const size = segments.reduce((sum, { partId, text }) => sum + partId.length + text.length, 0)
        if (size > maxDelta) throw refusal("InvalidArgument", `A batch takes ${maxDelta} characters`)
        const turn = state.turns.find((known) => known.turnId === turnId)
        if (turn === undefined || isOver(turn) || turn.epoch !== epoch) return []
        if (!turn.deltas.has(seq)) turn.deltas.set(seq, segments)
        return [turn]
      })
      return { watched: own.filter(({ sessionId }) => state.watched.has(sessionId)).map(({ turnId }) => turnId) }
    })

export const requestsOver = ({ mutation, subscribe }: Doors, epoch: number): Process["requests"] => ({
  open: ({ timeLimit, ...asked }) =>
    mutation((state) => {
      const turn = turnOf(state, asked.turnId)
      const existing = state.requests.find(({ opencodeId }) => opencodeId === asked.opencodeId)
      if (existing !== undefined) {
        return { requestId: existing.requestId, answer: existing.open ? (existing.answer ?? null) : null }
      }
      if (isOver(turn) || turn.epoch !== epoch) throw refusal("Conflict", "This turn does not run here")
      const covers = ({ always, answer }: State["requests"][number]) =>
        answer?.type === "always" && always !== null && always.scope === asked.always?.scope
      if (state.requests.some(covers)) return { requestId: null, answer: { type: "once" as const } }
      const requestId = idOf(state, "requests")
      const expiresAt = state.now + (timeLimit ?? Number.POSITIVE_INFINITY)
      const { kind } = asked.content
      const size = JSON.stringify(asked.content).length
      if (size > MAX_REQUEST) throw refusal("InvalidArgument", `A request takes ${MAX_REQUEST} characters`)
      state.requests.push({ ...asked, kind, size, requestId, expiresAt, status: "pending", open: true })
      return { requestId, answer: null }
    }),
  answers: subscribe(({ requests }) =>
    requests
      .flatMap(({ answer, open, ...request }) => (open && answer !== undefined ? [{ ...request, answer }] : []))
      .slice(0, window)
  ),
  close: (requestId, as) =>
    mutation((state) => {
      const request = requestOf(state, requestId)
      if (!request.open) return
      if (as === "answered" && request.status !== "answered") throw refusal("Conflict", "This request has no answer")
      Object.assign(request, { status: as, open: false })
    })
})

export const commandsOver = ({ mutation, subscribe }: Doors, epoch: number): Process["commands"] => ({
  epoch,
  windows: subscribe((state) => {
    const queued = state.commands.filter(({ status }) => status === "queued")
    return queued.slice(0, window).map((row) => {
      const session = "sessionId" in row.command ? sessionOf(state, row.command.sessionId) : undefined
      return { ...row, opencodeSessionId: session?.opencodeSessionId ?? null }
    })
  }),
  begin: (commandId) =>
    mutation((state) => {
      const row = commandOf(state, commandId)
      row.begunIn ??= epoch
      return row.begunIn === epoch
    }),
  settle: (commandId, { error }) =>
    mutation((state) => {
      const row = commandOf(state, commandId)
      if (row.status === "queued") {
        Object.assign(row, { status: error === undefined ? "done" : "failed", error: error ?? null })
      }
    })
})

/** The session after the update, and the stored session before it. */
const merged = ({ now, sessions }: State, { id, createdForSessionId, title, updated }: SessionMerge.Listed) => {
  const known =
    sessions.find(({ opencodeSessionId }) => opencodeSessionId === id) ??
    sessions.find(({ opencodeSessionId, sessionId }) => opencodeSessionId === null && sessionId === createdForSessionId)
  const next = {
    opencodeSessionId: id,
    title: known?.isTitledByOperator === true ? known.title : title,
    updated: Math.max(known?.updated ?? 0, Math.min(updated, now))
  }
  return { known, next }
}

const isOneOf = (ids: ReadonlyArray<string>, { opencodeSessionId }: State["sessions"][number]): boolean =>
  opencodeSessionId !== null && ids.includes(opencodeSessionId)

export const sessionsOver = ({ mutation, query }: Doors): Process["sessions"] => ({
  watermark: query(({ watermark }) => watermark),
  outdated: (sessions) =>
    query((state) =>
      sessions
        .filter((session) => {
          const { known, next } = merged(state, session)
          return JSON.stringify(known) !== JSON.stringify({ ...known, ...next })
        })
        .map(({ id }) => id)
    ),
  apply: ({ sessions, watermark }) =>
    mutation((state) => {
      for (const session of sessions) {
        if (session.title.length > maxTitle) throw refusal("InvalidArgument", `A title takes ${maxTitle} characters`)
        const { known, next } = merged(state, session)
        const added = { sessionId: idOf(state, "sessions"), origin: "opencode", isTitledByOperator: false } as const
        if (known === undefined) state.sessions.push({ ...added, ...next })
        else Object.assign(known, next)
      }
      state.watermark = Math.max(state.watermark, watermark ?? 0)
    }),
  forget: (ids) =>
    mutation((state) => {
      state.sessions = state.sessions.filter((session) => session.origin === "operator" || !isOneOf(ids, session))
      for (const session of state.sessions) if (isOneOf(ids, session)) session.opencodeSessionId = null
    }),
  turnsOf: (id) =>
    mirroredOver({ mutation, query }, (turn, { sessions }) =>
      sessions.some(({ opencodeSessionId, sessionId }) => opencodeSessionId === id && sessionId === turn.sessionId)
    )
})

/** The turns of a session, all in one page. This deployment has no outlines. */
const mirroredOver = (
  { mutation, query }: Pick<Doors, "mutation" | "query">,
  isOwn: (turn: State["turns"][number], state: State) => boolean
): ReturnType<Process["sessions"]["turnsOf"]> => ({
  mirrored: () =>
    query((state) => ({
      turns: state.turns
        .filter((turn) => isOwn(turn, state))
        .flatMap((turn) =>
          turn.messageId === null
            ? []
            : [{ messageId: turn.messageId, recorded: isOver(turn), completed: turn.status === "completed", parts: 0 }]
        )
        .toReversed(),
      before: null
    })),
  forgetPrompts: (messageIds) =>
    mutation((state) => {
      const isRemoved = (turn: State["turns"][number]) =>
        isOver(turn) && isOwn(turn, state) && turn.messageId !== null && messageIds.includes(turn.messageId)
      state.turns.splice(0, state.turns.length, ...state.turns.filter((turn) => !isRemoved(turn)))
    }),
  keepParts: () => mutation(() => undefined)
})

export const historyOver = ({ mutation, query }: Doors, sessionId: Id<"sessions">): ReturnType<Process["history"]> => {
  /** -1 if there is none. */
  const place = ({ turns }: State, messageId: string | undefined) =>
    turns.findIndex((turn) => turn.sessionId === sessionId && turn.messageId === messageId)
  return {
    ...mirroredOver({ mutation, query }, (turn) => turn.sessionId === sessionId),
    running: query((state) => head(state, sessionId)?.messageId ?? null),
    prepare: Effect.succeed,
    add: (told, runningId) =>
      mutation((state) => {
        const { turns } = state
        for (const { messageId, newerId, outcome, parts, text } of told) {
          if (place(state, messageId) !== -1) continue
          const [newer, running] = [place(state, newerId), place(state, runningId)]
          const waiting = turns.findIndex((turn) => turn.sessionId === sessionId && !isOver(turn))
          const behind = running !== -1 ? running + 1 : waiting !== -1 ? waiting : turns.length
          const turn = { ...newTurn(state, sessionId, text), status: outcome, messageId, parts }
          turns.splice(newer !== -1 ? newer : behind, 0, turn)
        }
      })
  }
}

export const modelsOver = ({ mutation, query }: Doors): Process["models"] => ({
  published: query(({ catalog }) => catalog?.hash ?? null),
  publish: (catalog) =>
    mutation((state) => {
      state.catalog = catalog
    })
})

export const turnsOver = (own: Doors, epoch: number): Process["turns"] => {
  const { mutation, query, subscribe } = own
  return {
    windows: subscribe((state) =>
      state.turns
        .filter((turn) => isReady(state, turn))
        .slice(0, window)
        .map(({ delivery, sessionId, turnId }) => ({ delivery, sessionId, turnId }))
    ),
    files: () => Effect.succeed([]),
    claim: (turnId, { messageId }) =>
      mutation((state) => {
        const turn = turnOf(state, turnId)
        if (turn.status === "claimed" && turn.epoch === epoch && turn.messageId === messageId) return turn
        if (!isReady(state, turn)) return null
        return Object.assign(turn, { status: "claimed" as const, epoch, messageId })
      }),
    aborts: subscribe(({ turns }) =>
      turns.filter((turn) => turn.abortRequested && !isOver(turn)).map(({ turnId }) => turnId)
    ),
    conversation: (sessionId) => ({
      sessionId,
      read: Effect.orDie(
        query((state) => {
          const { opencodeSessionId, title, updated } = sessionOf(state, sessionId)
          return { agentSessionId: opencodeSessionId, title, historyLost: false, createdAt: updated }
        })
      ),
      link: (opencodeSessionId) =>
        Effect.orDie(
          mutation((state) => {
            Object.assign(sessionOf(state, sessionId), { opencodeSessionId })
            return { chosenTitle: null }
          })
        )
    }),
    adopt: (turnId) =>
      mutation((state) => {
        const turn = turnOf(state, turnId)
        const { abortRequested, deltas, messageId } = turn
        if (turn.status === "queued" || isOver(turn) || abortRequested || messageId === null) return null
        Object.assign(turn, { status: "running" as const, epoch })
        return { ...turn, messageId, partId: "", seq: Math.max(0, ...deltas.keys()) }
      }),
    deliver: (turnId) =>
      mutation((state) => {
        turnOf(state, turnId).status = "running"
      }),
    orphaned: (running) =>
      query((state) =>
        state.turns
          .filter((turn) => turn.status !== "queued" && !isOver(turn) && !running.includes(turn.turnId))
          .slice(0, window)
          .map(({ abortRequested, delivery, messageId, sessionId, status, turnId }) => {
            const { opencodeSessionId } = sessionOf(state, sessionId)
            return {
              turnId,
              sessionId,
              delivery,
              messageId,
              agentSessionId: opencodeSessionId,
              abortRequested,
              asks: state.requests.some((request) => request.turnId === turnId && request.status === "pending"),
              delivered: status === "running"
            }
          })
      ),
    streamed: (turnId) =>
      query((state) => {
        const parts = new Map<string, TurnResult.StreamedPart>()
        for (const { kind, partId, text } of [...turnOf(state, turnId).deltas.values()].flat()) {
          if (kind === "text" || kind === "reasoning")
            parts.set(partId, { partId, kind, text: (parts.get(partId)?.text ?? "") + text })
        }
        return [...parts.values()]
      }),
    requeue: (turnId, messageId) =>
      mutation((state) => {
        const turn = turnOf(state, turnId)
        if (turn.status === "queued" || turn.status === "aborted") return
        if (messageId !== null && turn.messageId !== messageId) return
        if (turn.status !== "claimed") throw refusal("Conflict", "It reached OpenCode")
        stop(state, turn, turn.abortRequested ? "aborted" : "queued")
        Object.assign(turn, { epoch: null, messageId: null })
      }),
    finish: (turnId, { outcome, parts }) =>
      mutation((state) => {
        const turn = turnOf(state, turnId)
        if (isOver(turn)) return
        if (turn.status === "queued") throw refusal("Conflict", "It was not claimed")
        stop(state, turn, outcome)
        turn.parts = parts
      }),
    requests: requestsOver(own, epoch)
  }
}
