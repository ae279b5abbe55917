/** Follows a turn by its cursor, until its final parts. */
import { api, type FinalPart, type LiveTurn, type PendingRequest, type SessionId, type TurnId } from "./api.ts"
import type { Connection } from "./Connection.ts"
import { pages } from "./internal/pages.ts"
import { updates } from "./internal/updates.ts"
import { firstResult } from "./internal/watchQuery.ts"
import * as TurnView from "./TurnView.ts"

export interface FollowOptions {
  readonly signal?: AbortSignal
  /** Reports that the session is being read, so that its text is streamed in steps of 250 ms instead of 10 s. Default: true. */
  readonly watch?: boolean
}

/**
 * Iterating it follows the turn. A slow loop receives only the latest view. Leaving the loop stops the subscriptions, not
 * the turn.
 */
export interface FollowedTurn extends AsyncIterable<TurnView.TurnView> {
  /** Rejects if the prompt was refused. */
  readonly turnId: Promise<TurnId>
  /** The last view, with `end`. Awaiting it without iterating subscribes to the status only. */
  readonly result: Promise<TurnView.EndedTurnView>
}

/** Milliseconds. A watch lasts 45 s, so one renewal may be lost. */
const watchInterval = 20_000
/** A cursor that no delta exceeds. */
const noDeltas = Number.MAX_SAFE_INTEGER
const ignore = () => undefined
const hasEnded = ({ status }: LiveTurn) => TurnView.isFinal(status)

export const partsOf = async (connection: Connection, turnId: TurnId): Promise<ReadonlyArray<FinalPart>> => {
  const parts: Array<FinalPart> = []
  const read = pages(100, (paginationOpts) => connection.query(api.turns.parts, { turnId, paginationOpts }))
  for await (const part of read) parts.push(part)
  return parts
}

export const followTurn = (
  connection: Connection,
  turnId: Promise<TurnId>,
  { signal, watch = true }: FollowOptions = {},
  sessionId?: SessionId
): FollowedTurn => {
  // A caller that awaits the turn handles the error.
  turnId.catch(ignore)
  let ended: Promise<TurnView.EndedTurnView> | undefined
  const load = (id: TurnId, view: TurnView.TurnView, last: LiveTurn) =>
    (ended ??= partsOf(connection, id).then((parts) => TurnView.end(view, last, parts)))

  const views = updates<TurnView.TurnView>(({ emit, end, fail }) => {
    let view = TurnView.empty
    /** Of the current subscription; results of earlier ones are ignored. */
    let generation = 0
    let stopLive: () => void = ignore
    const stops: Array<() => void> = []
    const stop = () => {
      generation = Number.POSITIVE_INFINITY
      stopLive()
      for (const each of stops.splice(0)) each()
    }
    const update = (next: TurnView.TurnView) => {
      if (next === view) return
      view = next
      emit(view)
    }
    const renewWatch = (session: SessionId) => {
      const renew = () => void connection.mutation(api.sessions.watch, { sessionId: session }).catch(ignore)
      renew()
      const timer = setInterval(renew, watchInterval)
      stops.push(() => clearInterval(timer))
    }
    let isJoined = false
    /** With the first result, which proves that the turn exists. */
    const join = (session: SessionId, id: TurnId) => {
      isJoined = true
      const show = (waiting: ReadonlyArray<PendingRequest>) =>
        update(
          TurnView.requests(
            view,
            waiting.filter((request) => request.turnId === id)
          )
        )
      stops.push(connection.subscribe(api.requests.pending, { sessionId: session }, show, fail))
      if (watch && sessionId === undefined) renewWatch(session)
    }
    const finish = async (id: TurnId, last: LiveTurn) => {
      emit(await load(id, view, last))
      end()
    }
    const listen = (id: TurnId) => {
      const own = ++generation
      stopLive()
      stopLive = connection.subscribe(
        api.turns.live,
        { turnId: id, after: view.cursor },
        (live) => {
          if (own !== generation) return
          if (hasEnded(live)) {
            stop()
            finish(id, live).catch(fail)
            return
          }
          const { cursor } = view
          update(TurnView.live(view, live))
          if (!isJoined) {
            // Also the view of a turn that is still queued, which is the empty one.
            if (view === TurnView.empty) emit(view)
            join(live.sessionId, id)
          }
          if (view.cursor !== cursor) listen(id)
        },
        fail
      )
    }
    if (watch && sessionId !== undefined) renewWatch(sessionId)
    const begin = async () => {
      const id = await turnId
      if (generation === 0) listen(id)
    }
    begin().catch(fail)
    return stop
  }, signal)

  const awaitEnd = async () => {
    const id = await turnId
    const args = { turnId: id, after: noDeltas }
    return load(id, TurnView.empty, await firstResult(hasEnded, connection, api.turns.live, args, signal))
  }
  let result: Promise<TurnView.EndedTurnView> | undefined
  return {
    turnId,
    get result() {
      return (result ??= awaitEnd())
    },
    [Symbol.asyncIterator]: () => views[Symbol.asyncIterator]()
  }
}
