/** A worker of an in-memory deployment, a minimal model of the backend. `test/conformance` checks it against the same cases. */
import { Effect, SubscriptionRef } from "effect"
import { Lease, type QueuedCommand } from "../../../src/index.ts"
import type { Operator, Process, Worker } from "../../conformance/Worker.ts"
import {
  commandsOver,
  deltasOver,
  historyOver,
  leaseOver,
  modelsOver,
  requestsOver,
  sessionsOver,
  turnsOver
} from "./ports.ts"
import {
  commandOf,
  type Doors,
  doors,
  empty,
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

const issue = (state: State, command: QueuedCommand["command"]) => {
  const commandId = idOf(state, "commands")
  state.commands.push({ commandId, command, epoch: state.epoch, status: "queued", error: null })
  return commandId
}

const operatorOf = ({ mutation, query }: Doors): Operator => ({
  presence: query(({ presence }) => presence),
  revoke: mutation((state) => {
    state.revoked = true
  }),
  createSession: mutation((state) => {
    const sessionId = idOf(state, "sessions")
    state.sessions.push({
      sessionId,
      origin: "operator",
      opencodeSessionId: null,
      title: "New session",
      isTitledByOperator: false,
      updated: state.now
    })
    return sessionId
  }),
  sessions: query(({ sessions }) => sessions),
  rename: (sessionId, title) =>
    mutation((state) => {
      Object.assign(sessionOf(state, sessionId), { title, isTitledByOperator: true })
      return issue(state, { kind: "rename", sessionId, title })
    }),
  send: (sessionId, text) =>
    mutation((state) => {
      const turn = newTurn(state, sessionOf(state, sessionId).sessionId, text)
      state.turns.push(turn)
      return turn.turnId
    }),
  turns: (sessionId) => query(({ turns }) => turns.filter((turn) => turn.sessionId === sessionId)),
  abort: (turnId) =>
    mutation((state) => {
      const turn = turnOf(state, turnId)
      if (turn.status === "queued") stop(state, turn, "aborted")
      if (isOver(turn)) return null
      turn.abortRequested = true
      return null
    }),
  watch: (sessionId) => mutation(({ watched }) => watched.add(sessionId)),
  streamed: (turnId) =>
    query((state) =>
      [...turnOf(state, turnId).deltas]
        .toSorted(([one], [other]) => one - other)
        .flatMap(([, segments]) => segments.map(({ text }) => text))
        .join("")
    ),
  parts: (turnId) => query((state) => turnOf(state, turnId).parts),
  pause: mutation((state) => issue(state, { kind: "pause" })),
  outcome: (commandId) => query((state) => commandOf(state, commandId)),
  pending: (sessionId) =>
    query((state) => {
      const pending = state.requests.filter(({ status }) => status === "pending")
      return pending.filter(({ turnId }) => turnOf(state, turnId).sessionId === sessionId)
    }),
  answer: (requestId, answer) =>
    mutation((state) => {
      const request = requestOf(state, requestId)
      if (JSON.stringify(request.answer) === JSON.stringify(answer)) return
      if (request.status === "expired" || (request.status === "pending" && request.expiresAt <= state.now)) {
        throw refusal("Expired", "The time to answer this is over")
      }
      if (request.status !== "pending") throw refusal("Conflict", `This request is ${request.status}`)
      Object.assign(request, { status: "answered", answer })
    }),
  models: query(({ catalog }) => catalog)
})

const approved = ({ revoked }: State): void => {
  if (revoked) throw refusal("Revoked", "This worker's approval was revoked")
}

/** A worker in its own deployment. */
export const memoryWorker = Effect.gen(function* () {
  const ref = yield* SubscriptionRef.make(empty)
  const under = (epoch: number) =>
    doors(ref, (state) => {
      approved(state)
      if (state.epoch !== epoch) throw refusal("Fenced", `Epoch ${epoch} is over`)
    })
  const port = leaseOver(doors(ref, approved), under)
  return {
    start: (processId) =>
      Effect.map(Lease.make(port, { processId }), (lease): Process => {
        const { epoch } = lease
        const own = under(epoch)
        return {
          lease,
          turns: turnsOver(own, epoch),
          write: deltasOver(own, epoch),
          requests: requestsOver(own, epoch),
          commands: commandsOver(own, epoch),
          sessions: sessionsOver(own),
          history: (sessionId) => historyOver(own, sessionId),
          models: modelsOver(own)
        }
      }),
    operator: operatorOf(doors(ref, () => {}))
  } satisfies Worker
})
