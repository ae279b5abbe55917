import { api, type Changes, type FinalPart, type OutlineEntry, type SessionId, type Turn, type TurnId } from "../api.ts"
import { type FollowedTurn, type FollowOptions, followTurn, partsOf } from "../FollowedTurn.ts"
import { type CallOptions, type Calls, keyed, type MutationOptions, pageSize } from "../internal/calls.ts"
import { pages } from "../internal/pages.ts"
import { type Emitter, updates } from "../internal/updates.ts"
import type { UploadedFile } from "./files.ts"
import * as TurnView from "../TurnView.ts"

export interface PromptOptions extends MutationOptions, FollowOptions {
  /** `provider/model`. Default: OpenCode's choice. */
  readonly model?: string
  readonly agent?: string
  /** A variant of the model, such as a reasoning effort. */
  readonly variant?: string
  /**
   * `steer`: if a turn of the session runs, the prompt is delivered into it. That turn ends with what it had, and this one
   * takes over. Default: `queue`, after all earlier prompts.
   */
  readonly delivery?: "queue" | "steer"
  /** Milliseconds in which requests of the turn must be answered, or null for no limit. Default: the worker's own limit. */
  readonly askTimeout?: number | null
  /** Files that were uploaded before, at most 10 with 20 MiB together. */
  readonly files?: ReadonlyArray<UploadedFile>
}

export const makeTurns = ({ connection, mutation, query }: Calls) => {
  const send = (
    sessionId: SessionId,
    text: string,
    { agent, askTimeout, delivery, files, model, variant, ...options }: PromptOptions = {}
  ): Promise<TurnId> => {
    const optional = {
      ...(model !== undefined && { model }),
      ...(agent !== undefined && { agent }),
      ...(variant !== undefined && { variant }),
      ...(delivery !== undefined && { delivery }),
      ...(askTimeout !== undefined && { askTimeout }),
      ...(files !== undefined && { files: files.map(({ name, storageId, type }) => ({ storageId, name, type })) })
    }
    return mutation(api.turns.send, { sessionId, text, ...optional, ...keyed(options) }, options)
  }
  return {
    /** As `prompt`, without following. */
    send,
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
