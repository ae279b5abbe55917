/** The operator's client: everything that convex-backend lets an operator do. */
import type { SessionId } from "./api.ts"
import type { Connection } from "./Connection.ts"
import { type FollowedTurn, followTurn } from "./FollowedTurn.ts"
import { type CallOptions, makeCalls } from "./internal/calls.ts"
import { updates } from "./internal/updates.ts"
import { makeApprovals } from "./resources/approvals.ts"
import { makeCatalog } from "./resources/catalog.ts"
import { makeCommands } from "./resources/commands.ts"
import { makeDevices } from "./resources/devices.ts"
import { makeInbox } from "./resources/inbox.ts"
import { makeFiles } from "./resources/files.ts"
import { makeModels } from "./resources/models.ts"
import { makeNotifications } from "./resources/notifications.ts"
import { makePromptQueue } from "./resources/promptQueue.ts"
import { makeQueries } from "./resources/queries.ts"
import { makeRequests } from "./resources/requests.ts"
import { makeSearch } from "./resources/search.ts"
import { makeSessionActions } from "./resources/sessionActions.ts"
import { makeSessions } from "./resources/sessions.ts"
import { makeTurns, type PromptOptions } from "./resources/turns.ts"
import { makeUsage } from "./resources/usage.ts"
import { makeWorkers } from "./resources/workers.ts"

/** A client over a connection of your own, such as one of effect-convex. */
export const makeClient = (connection: Connection) => {
  const calls = makeCalls(connection)
  const turns = makeTurns(calls)
  return {
    /** Sends a prompt and returns its turn: iterate it for the views of the answer, or await `result`. */
    prompt: (sessionId: SessionId, text: string, options?: PromptOptions): FollowedTurn =>
      followTurn(connection, turns.send(sessionId, text, options), options, sessionId),
    /** Whether the deployment is connected: now, and at each change. A connection of your own may not report it. */
    watchStatus: ({ signal }: CallOptions = {}): AsyncIterable<boolean> =>
      updates(({ emit }) => connection.watchStatus?.(emit) ?? (() => undefined), signal),
    search: makeSearch(calls),
    workers: makeWorkers(calls),
    models: makeModels(calls),
    catalog: makeCatalog(calls),
    sessions: makeSessions(calls),
    turns,
    sessionActions: makeSessionActions(calls),
    promptQueue: makePromptQueue(calls),
    files: makeFiles(calls),
    requests: makeRequests(calls),
    approvals: makeApprovals(calls),
    inbox: makeInbox(calls),
    notifications: makeNotifications(calls),
    usage: makeUsage(calls),
    commands: makeCommands(calls),
    queries: makeQueries(calls),
    devices: makeDevices(calls),
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose]()
  }
}

export type Client = ReturnType<typeof makeClient>
