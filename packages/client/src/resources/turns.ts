import { api, type Changes, type FinalPart, type OutlineEntry, type SessionId, type Turn, type TurnId } from "../api.ts"
import { type FollowedTurn, type FollowOptions, followTurn, partsOf } from "../FollowedTurn.ts"
import { type CallOptions, type Calls, keyed, type MutationOptions, pageSize } from "../internal/calls.ts"
import { pages } from "../internal/pages.ts"
import { type Emitter, updates } from "../internal/updates.ts"
import type { UploadedFile } from "./files.ts"
import * as TurnView from "../TurnView.ts"

export interface CommandOptions extends MutationOptions {
  /** `provider/model`. Default: OpenCode's choice. */
  readonly model?: string
  readonly agent?: string
  /** A variant of the model, such as a reasoning effort. */
  readonly variant?: string
  /** Milliseconds in which requests of the turn must be answered, or null for no limit. Default: the worker's own limit. */
  readonly askTimeout?: number | null
  /**
   * The worker stops the turn when its use, that of its sub-agents included, exceeds one of them: US dollars, or tokens without
   * cache reads. Default: the worker's own limit.
   */
  readonly budget?: { readonly cost?: number; readonly tokens?: number }
  /** Files that were uploaded before, at most 10 with 20 MiB together. */
  readonly files?: ReadonlyArray<UploadedFile>
}

export interface PromptOptions extends CommandOptions, FollowOptions {
  /**
   * `steer`: if a turn of the session runs, the prompt is delivered into it. That turn ends with what it had, and this one
   * takes over. Default: `queue`, after all earlier prompts.
   */
  readonly delivery?: "queue" | "steer"
}

const optional = ({ agent, askTimeout, budget, files, model, variant }: CommandOptions) => ({
  ...(model !== undefined && { model }),
  ...(agent !== undefined && { agent }),
  ...(variant !== undefined && { variant }),
  ...(askTimeout !== undefined && { askTimeout }),
  ...(budget !== undefined && { budget }),
  ...(files !== undefined && { files: files.map(({ name, storageId, type }) => ({ storageId, name, type })) })
})

export const makeTurns = ({ connection, mutation, query }: Calls) => {
  const send = (sessionId: SessionId, text: string, options: PromptOptions = {}): Promise<TurnId> => {
    const { delivery } = options
    const args = { sessionId, text, ...optional(options), ...(delivery !== undefined && { delivery }) }
    return mutation(api.turns.send, { ...args, ...keyed(options) }, options)
  }
  return {
    /** As `prompt`, without following. */
    send,
    /**
     * Queues a command of OpenCode (`catalog.get` lists them) as a turn, whose text is `/name arguments`: follow it as any
     * other. The turn fails if the arguments would run a shell or name a file outside of the worker's directory.
     */
    command: (sessionId: SessionId, name: string, args = "", options: CommandOptions = {}): Promise<TurnId> =>
      mutation(
        api.turns.command,
        { sessionId, name, arguments: args, ...optional(options), ...keyed(options) },
        options
      ),
    /** The turns of a session in their order, or the newest first; pages are read as you iterate. */
    list: (
      sessionId: SessionId,
      { order = "asc", ...options }: CallOptions & { readonly order?: "asc" | "desc" } = {}
    ): AsyncIterable<Turn> =>
      pages(pageSize, (paginationOpts) => query(api.turns.list, { sessionId, order, paginationOpts }, options)),
    /** The newest turns of a session, at most 20, in their order; again when one of them changes. */
    watch: (sessionId: SessionId, { signal }: CallOptions = {}): AsyncIterable<ReadonlyArray<Turn>> => {
      const args = { sessionId, order: "desc" as const, paginationOpts: { numItems: pageSize, cursor: null } }
      const subscribe = ({ emit, fail }: Emitter<ReadonlyArray<Turn>>) =>
        connection.subscribe(api.turns.list, args, ({ page }) => emit(page.toReversed()), fail)
      return updates(subscribe, signal)
    },
    /** The files that a turn changed, with a unified patch. Null: none, or it has not ended. */
    changes: (turnId: TurnId, options?: CallOptions): Promise<Changes | null> =>
      query(api.changes.get, { turnId }, options),
    /** The whole text of a prompt, of which a `Turn` has the head. */
    prompt: async (turnId: TurnId, options?: CallOptions): Promise<string> =>
      (await query(api.turns.prompt, { turnId }, options)).text,
    /**
     * The entries of a turn's final parts, in their order or the last first; pages of 100 are read as you iterate. It does
     * not change while `Turn.version` is the same.
     */
    outline: (
      turnId: TurnId,
      { order = "asc", ...options }: CallOptions & { readonly order?: "asc" | "desc" } = {}
    ): AsyncIterable<OutlineEntry> =>
      pages(100, (paginationOpts) => query(api.turns.outline, { turnId, order, paginationOpts }, options)),
    /** One whole final part, by the `index` of its outline entry. Null if there is none. */
    part: (turnId: TurnId, index: number, options?: CallOptions): Promise<FinalPart | null> =>
      query(api.turns.part, { turnId, index }, options),
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
  }
}
