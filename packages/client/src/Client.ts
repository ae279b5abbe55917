/** The operator's client: everything that convex-backend lets an operator do. */
import type { FunctionArgs, FunctionReference } from "convex/server"
import {
  type Answer,
  api,
  type AuditEntry,
  type Command,
  type CommandId,
  type FinalPart,
  type OpenRequest,
  type PairingPreview,
  type PendingRequest,
  type RequestId,
  type Session,
  type SessionId,
  type Turn,
  type TurnId,
  type Worker,
  type WorkerId
} from "./api.ts"
import { connect, type Connection, type ConnectOptions } from "./Connection.ts"
import { type FollowedTurn, type FollowOptions, followTurn, partsOf } from "./FollowedTurn.ts"
import { pages } from "./internal/pages.ts"
import { type Emitter, updates } from "./internal/updates.ts"
import { firstResult, watchQuery } from "./internal/watchQuery.ts"
import * as TurnView from "./TurnView.ts"

export interface CallOptions {
  /** Ends the wait: the promise rejects with `signal.reason`. A call that was already sent may still run. */
  readonly signal?: AbortSignal
}

export interface MutationOptions extends CallOptions {
  /** A second call with the same key has no further effect. Default: a new UUID per call. */
  readonly idempotencyKey?: string
}

export interface PromptOptions extends MutationOptions, FollowOptions {
  /** `provider/model`. Default: OpenCode's choice. */
  readonly model?: string
  readonly agent?: string
}

/** The models of a worker. */
export interface ModelCatalog {
  readonly hash: string
  /** `provider/model`, or null. */
  readonly default: string | null
  readonly models: ReadonlyArray<Readonly<Record<string, unknown>>>
}

/** Rows per page. */
const pageSize = 20

const orAbort = async <A>(start: () => Promise<A>, { signal }: CallOptions = {}): Promise<A> => {
  if (signal === undefined) return start()
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener("abort", onAbort)
  try {
    return await Promise.race([start(), aborted.promise])
  } finally {
    signal.removeEventListener("abort", onAbort)
  }
}

const keyed = ({ idempotencyKey = crypto.randomUUID() }: MutationOptions = {}) => ({ idempotencyKey })

const catalog = (row: { hash: string; default: string | null; models: string } | null): ModelCatalog | null =>
  row && { ...row, models: JSON.parse(row.models) }

/** A client over a connection of your own, such as one of effect-convex. */
export const makeClient = (connection: Connection) => {
  const query = <F extends FunctionReference<"query">>(reference: F, args: FunctionArgs<F>, options?: CallOptions) =>
    orAbort(() => connection.query(reference, args), options)
  const mutation = <F extends FunctionReference<"mutation">>(
    reference: F,
    args: FunctionArgs<F>,
    options?: CallOptions
  ) => orAbort(() => connection.mutation(reference, args), options)
  const action = <F extends FunctionReference<"action">>(reference: F, args: FunctionArgs<F>, options?: CallOptions) =>
    orAbort(() => connection.action(reference, args), options)
  const workerCommand =
    (reference: typeof api.workers.pause) =>
    (workerId: WorkerId, options?: MutationOptions): Promise<CommandId> =>
      mutation(reference, { workerId, ...keyed(options) }, options)

  const send = (
    sessionId: SessionId,
    text: string,
    { agent, model, ...options }: PromptOptions = {}
  ): Promise<TurnId> => {
    const optional = { ...(model !== undefined && { model }), ...(agent !== undefined && { agent }) }
    return mutation(api.turns.send, { sessionId, text, ...optional, ...keyed(options) }, options)
  }

  return {
    /** Sends a prompt and returns its turn: iterate it for the views of the answer, or await `result`. */
    prompt: (sessionId: SessionId, text: string, options?: PromptOptions): FollowedTurn =>
      followTurn(connection, send(sessionId, text, options), options, sessionId),

    workers: {
      /** At most 100: approved workers before revoked ones, the newest first. */
      list: (options?: CallOptions): Promise<ReadonlyArray<Worker>> => query(api.workers.list, {}, options),
      watch: ({ signal }: CallOptions = {}): AsyncIterable<ReadonlyArray<Worker>> =>
        watchQuery(connection, api.workers.list, {}, signal),
      /** The worker that shows a pairing code. A wrong code counts as in `approve`. */
      preview: (code: string, options?: CallOptions): Promise<PairingPreview> =>
        action(api.pairing.preview, { code }, options),
      /** Makes the worker that shows the code yours. After 10 wrong codes every code is refused for 10 minutes. */
      approve: (code: string, options?: CallOptions): Promise<WorkerId> =>
        action(api.pairing.approve, { code }, options),
      /** Stops taking turns; running turns continue. Like `resume` and `drain`, rejects if the worker is offline. */
      pause: workerCommand(api.workers.pause),
      resume: workerCommand(api.workers.resume),
      /** Waits for the running turns, then stops the worker. */
      drain: workerCommand(api.workers.drain),
      /** Takes the approval back, immediately. Running turns become `interrupted`. */
      revoke: async (workerId: WorkerId, options?: CallOptions): Promise<void> => {
        await mutation(api.workers.revoke, { workerId }, options)
      },
      /** Security-relevant actions of and on a worker, the newest first. */
      audit: (workerId: WorkerId, options?: CallOptions): AsyncIterable<AuditEntry> =>
        pages(pageSize, (paginationOpts) => query(api.workers.audit, { workerId, paginationOpts }, options))
    },

    models: {
      /** Null until the worker has published its models. */
      get: async (workerId: WorkerId, options?: CallOptions): Promise<ModelCatalog | null> =>
        catalog(await query(api.models.get, { workerId }, options)),
      /** Makes the worker fetch its models again. */
      refresh: workerCommand(api.workers.refreshModels)
    },

    sessions: {
      /** All sessions, or those of a worker, the latest activity first; pages are read as you iterate. */
      list: ({ workerId, ...options }: CallOptions & { readonly workerId?: WorkerId } = {}): AsyncIterable<Session> =>
        pages(pageSize, (paginationOpts) =>
          query(api.sessions.list, { paginationOpts, ...(workerId !== undefined && { workerId }) }, options)
        ),
      /** The sessions with the latest activity, at most 100. */
      watch: ({
        limit = pageSize,
        signal,
        workerId
      }: CallOptions & { readonly limit?: number; readonly workerId?: WorkerId } = {}): AsyncIterable<
        ReadonlyArray<Session>
      > => {
        const args = { paginationOpts: { numItems: limit, cursor: null }, ...(workerId !== undefined && { workerId }) }
        const subscribe = ({ emit, fail }: Emitter<ReadonlyArray<Session>>) =>
          connection.subscribe(api.sessions.list, args, ({ page }) => emit(page), fail)
        return updates(subscribe, signal)
      },
      /** Null if there is no such session of yours. */
      get: (sessionId: SessionId, options?: CallOptions): Promise<Session | null> =>
        query(api.sessions.get, { sessionId }, options),
      /** Creates a session on a worker, which may be offline. */
      create: (
        workerId: WorkerId,
        { title, ...options }: MutationOptions & { readonly title?: string } = {}
      ): Promise<SessionId> =>
        mutation(api.sessions.create, { workerId, ...(title !== undefined && { title }), ...keyed(options) }, options),
      rename: (sessionId: SessionId, title: string, options?: MutationOptions): Promise<CommandId> =>
        mutation(api.sessions.rename, { sessionId, title, ...keyed(options) }, options),
      /** Deletes a session here and in OpenCode. Null if no worker is needed for it. */
      delete: (sessionId: SessionId, options?: MutationOptions): Promise<CommandId | null> =>
        mutation(api.sessions.remove, { sessionId, ...keyed(options) }, options),
      /** Makes the worker import what OpenCode has of the session and the deployment has not. */
      loadHistory: (sessionId: SessionId, options?: MutationOptions): Promise<CommandId> =>
        mutation(api.sessions.loadHistory, { sessionId, ...keyed(options) }, options),
      /** Reports for 45 s that the session is being read. Turns that are followed do this by themselves. */
      keepWatched: async (sessionId: SessionId, options?: CallOptions): Promise<void> => {
        await mutation(api.sessions.watch, { sessionId }, options)
      }
    },

    turns: {
      /** As `prompt`, without following. */
      send,
      /** The turns of a session in their order, or the newest first; pages are read as you iterate. */
      list: (
        sessionId: SessionId,
        { order = "asc", ...options }: CallOptions & { readonly order?: "asc" | "desc" } = {}
      ): AsyncIterable<Turn> =>
        pages(pageSize, (paginationOpts) => query(api.turns.list, { sessionId, order, paginationOpts }, options)),
      follow: (turnId: TurnId, options?: FollowOptions): FollowedTurn =>
        followTurn(connection, Promise.resolve(turnId), options),
      /** The final parts of a turn, in their order. None before it has ended. */
      parts: (turnId: TurnId): Promise<ReadonlyArray<FinalPart>> => partsOf(connection, turnId),
      /** The view of a turn that has ended. */
      view: async (turn: Turn): Promise<TurnView.EndedTurnView> =>
        TurnView.end(TurnView.empty, turn, await partsOf(connection, turn.turnId)),
      /**
       * Stops a turn. Resolves when this is recorded; the turn ends as `aborted` when its worker has stopped it. It keeps
       * its text.
       */
      abort: async (turnId: TurnId, options?: CallOptions): Promise<void> => {
        await mutation(api.turns.abort, { turnId }, options)
      },
      /** Sends the prompt of a turn that has ended again, as a new turn. */
      resend: (turnId: TurnId, options?: MutationOptions): Promise<TurnId> =>
        mutation(api.turns.resend, { turnId, ...keyed(options) }, options)
    },

    requests: {
      /** The requests that wait, of one session or of all, the oldest 100. */
      list: ({ sessionId, ...options }: CallOptions & { readonly sessionId?: SessionId } = {}): Promise<
        ReadonlyArray<PendingRequest>
      > => query(api.requests.pending, sessionId === undefined ? {} : { sessionId }, options),
      watch: ({ sessionId, signal }: CallOptions & { readonly sessionId?: SessionId } = {}): AsyncIterable<
        ReadonlyArray<PendingRequest>
      > => watchQuery(connection, api.requests.pending, sessionId === undefined ? {} : { sessionId }, signal),
      /** A request with its whole content: show all of it before you answer. */
      get: (requestId: RequestId, options?: CallOptions): Promise<OpenRequest> =>
        query(api.requests.get, { requestId }, options),
      /** The first answer stands. The same answer again has no effect; another one rejects with `Conflict`. */
      answer: async (requestId: RequestId, answer: Answer, options?: CallOptions): Promise<void> => {
        await mutation(api.requests.answer, { requestId, answer }, options)
      }
    },

    commands: {
      /** Null if there is no such command of yours (any longer). */
      get: (commandId: CommandId, options?: CallOptions): Promise<Command | null> =>
        query(api.commands.get, { commandId }, options),
      /** Waits until the worker has run a command: `done`, or `failed` with an error. */
      wait: (commandId: CommandId, { signal }: CallOptions = {}): Promise<Command | null> =>
        firstResult((command) => command?.status !== "queued", connection, api.commands.get, { commandId }, signal)
    },

    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose]()
  }
}

export type Client = ReturnType<typeof makeClient>

/**
 * Connects in the background. `await using` closes the connection.
 *
 * @example
 * await using client = createClient({ url, auth })
 * const turn = client.prompt(sessionId, "Say hello.")
 * for await (const view of turn) render(view)
 * const { end } = await turn.result
 */
export const createClient = (options: ConnectOptions): Client => makeClient(connect(options))
