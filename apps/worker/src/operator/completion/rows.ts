/** Ids and names of a deployment, for the completion of a command line. */
import { Client } from "@opencode-worker/client/effect"
import { Effect, Option, Stream } from "effect"
import * as Contexts from "../../state/Contexts.ts"
import type { ConnectionOptions } from "../connection.ts"
import { findSession, findWorker } from "../lookup.ts"
import type { Candidate } from "./candidates.ts"

/** Rows that a shell can still show. */
const most = 100

export interface Given {
  readonly positional: ReadonlyArray<string>
  readonly flags: ReadonlyMap<string, string>
}

/** The flags of a connection on the command line that is being typed. */
export const connectionOf = (flags: ReadonlyMap<string, string>): ConnectionOptions => {
  const of = (name: string) => Option.fromUndefinedOr(flags.get(name))
  const url = Option.orElse(of("url"), () => Option.fromUndefinedOr(process.env["OPENCODE_WORKER_URL"]))
  return { url, context: of("context"), data: of("data"), demo: flags.has("demo"), directory: of("directory") }
}

export const contexts = Effect.map(Contexts.list, (all) =>
  all.map(({ name, url }): Candidate => ({ value: name, description: url }))
)

const first = <A>(stream: Stream.Stream<A, unknown>) => Stream.runCollect(Stream.take(stream, most))

/** The rows of a kind. Those of turns need the session before them. */
export const rowsOf = Effect.fnUntraced(function* (kind: string, { flags, positional }: Given) {
  const client = yield* Client
  switch (kind) {
    case "session": {
      const sessions = yield* first(client.stream((operator) => operator.sessions.list()))
      return sessions.map(({ sessionId, title }): Candidate => ({ value: sessionId, description: title }))
    }
    case "turn": {
      const { sessionId } = yield* findSession(positional[0] ?? "")
      const turns = yield* first(client.stream((operator) => operator.turns.list(sessionId, { order: "desc" })))
      return turns.map(({ head, turnId }): Candidate => ({ value: turnId, description: head }))
    }
    case "worker": {
      const all = yield* client.call((operator, options) => operator.workers.list(options))
      const workers = all.filter(({ approval }) => approval === "approved")
      const isOnly = (name: string) => workers.filter(({ machine }) => machine === name).length === 1
      return workers.map(({ directory, machine, workerId }): Candidate => ({
        value: isOnly(machine) ? machine : workerId,
        description: `${machine} ${directory}`
      }))
    }
    case "model": {
      const { workerId } = yield* findWorker(Option.fromUndefinedOr(flags.get("worker")))
      const catalog = yield* client.call((operator, options) => operator.models.get(workerId, options))
      return (catalog?.models ?? []).map(({ id, name }): Candidate => ({
        value: id,
        description: name
      }))
    }
    case "request": {
      const requests = yield* client.call((operator, options) => operator.requests.list(options))
      return requests.map(({ requestId, subject }): Candidate => ({ value: requestId, description: subject }))
    }
    case "item": {
      const items = yield* client.call((operator, options) => operator.inbox.list(options))
      return items.map(({ itemId, requestId, subject }): Candidate => ({
        value: requestId ?? itemId,
        description: subject
      }))
    }
    case "approval": {
      const approvals = yield* first(client.stream((operator) => operator.approvals.list()))
      return approvals.map(({ approvalId, label }): Candidate => ({ value: approvalId, description: label }))
    }
    case "device": {
      const devices = yield* client.call((operator, options) => operator.devices.list(options))
      return devices.map(({ deviceId, name }): Candidate => ({ value: deviceId, description: name }))
    }
    case "target": {
      const targets = yield* client.call((operator, options) => operator.notifications.list(options))
      return targets.map(({ targetId, url }): Candidate => ({ value: targetId, description: url }))
    }
    default:
      return []
  }
})
