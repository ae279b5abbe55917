import { api, type CommandId, type FinalPart, type SessionId, type Turn, type TurnId } from "../api.ts"
import { partsOf } from "../FollowedTurn.ts"
import { type Calls, keyed, type CallOptions, type MutationOptions } from "../internal/calls.ts"
import { pages } from "../internal/pages.ts"

/** How to treat files that were changed since the turn. Those in neither list prevent the undo. */
export interface UndoOptions extends MutationOptions {
  /** Files or folders, at most 200: leave these as they are, also if `force` names them. */
  readonly skip?: ReadonlyArray<string>
  /** Files or folders, at most 200: overwrite these, although a person changed them. */
  readonly force?: ReadonlyArray<string>
  /** Only list the files. */
  readonly preview?: boolean
}

export interface RedoOptions extends MutationOptions {
  /** Overwrite files that were changed since the undo. */
  readonly force?: boolean
  readonly preview?: boolean
}

export interface ExportedTurn extends Omit<Turn, "parts"> {
  /** The whole text of the prompt. */
  readonly prompt: string
  readonly parts: ReadonlyArray<FinalPart>
}

const pageSize = 20

/** Actions in OpenCode. Each returns a command, whose `result` is JSON (`commands.wait`). None is repeated after a crash. */
export const makeSessionActions = ({ connection, mutation, query }: Calls) => ({
  /** Undoes a turn and all later ones, with their files. `{ files: [{ file, status, changed }], undone }`. */
  undo: (
    sessionId: SessionId,
    turnId: TurnId,
    { force, preview, skip, ...options }: UndoOptions = {}
  ): Promise<CommandId> => {
    const chosen = {
      ...(skip !== undefined && { skip: [...skip] }),
      ...(force !== undefined && { force: [...force] }),
      ...(preview !== undefined && { preview })
    }
    return mutation(api.sessionActions.undo, { sessionId, turnId, ...chosen, ...keyed(options) }, options)
  },
  /** Takes the undo back, until the next prompt. `{ files: [{ file, changed }], redone }`. */
  redo: (sessionId: SessionId, { force, preview, ...options }: RedoOptions = {}): Promise<CommandId> => {
    const chosen = { ...(force !== undefined && { force }), ...(preview !== undefined && { preview }) }
    return mutation(api.sessionActions.redo, { sessionId, ...chosen, ...keyed(options) }, options)
  },
  /** Copies a session, up to a turn (exclusive) or whole. `{ sessionId }` of the copy. */
  fork: (
    sessionId: SessionId,
    { turnId, ...options }: MutationOptions & { readonly turnId?: TurnId } = {}
  ): Promise<CommandId> =>
    mutation(
      api.sessionActions.fork,
      { sessionId, ...(turnId !== undefined && { turnId }), ...keyed(options) },
      options
    ),
  /** Replaces the older part of the conversation by a summary, for the model only. */
  compact: (sessionId: SessionId, options?: MutationOptions): Promise<CommandId> =>
    mutation(api.sessionActions.compact, { sessionId, ...keyed(options) }, options),
  /**
   * Runs a shell command on the machine of the worker, without approval: a worker refuses it unless it was started to allow
   * it. `{ output, truncated }`, the last 20,000 characters. The model reads both with the next prompt.
   */
  shell: (sessionId: SessionId, line: string, options?: MutationOptions): Promise<CommandId> =>
    mutation(api.sessionActions.shell, { sessionId, line, ...keyed(options) }, options),
  /** The whole session as the deployment has it, turn by turn, read as you iterate. It needs no worker. */
  export: async function* (sessionId: SessionId, options?: CallOptions): AsyncGenerator<ExportedTurn> {
    const turns = pages(pageSize, (paginationOpts) =>
      query(api.turns.list, { sessionId, order: "asc", paginationOpts }, options)
    )
    for await (const turn of turns) {
      const { text } = await query(api.turns.prompt, { turnId: turn.turnId }, options)
      yield { ...turn, prompt: text, parts: await partsOf(connection, turn.turnId) }
    }
  }
})
