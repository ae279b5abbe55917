import { api, type Command, type CommandId } from "../api.ts"
import { type CallOptions, type Calls } from "../internal/calls.ts"
import { firstResult } from "../internal/watchQuery.ts"

export const makeCommands = ({ connection, query }: Calls) => ({
  /** Null if there is no such command of yours (any longer). */
  get: (commandId: CommandId, options?: CallOptions): Promise<Command | null> =>
    query(api.commands.get, { commandId }, options),
  /** Waits until the worker has run a command: `done`, or `failed` with an error. */
  wait: (commandId: CommandId, { signal }: CallOptions = {}): Promise<Command | null> =>
    firstResult((command) => command?.status !== "queued", connection, api.commands.get, { commandId }, signal)
})
