/** Commands that the process of a worker executes. */
import type { Client as Operator, Command, CommandId } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { Effect } from "effect"
import { temporaryError } from "../AppError.ts"

/** Starts a command and waits until the worker has executed it. Fails with the reason of the worker. */
export const runOnWorker = Effect.fnUntraced(function* (
  start: (operator: Operator, options: { readonly signal: AbortSignal }) => Promise<CommandId>
) {
  const client = yield* Client
  const command: Command | null = yield* client.call((operator, options) =>
    start(operator, options).then((commandId) => operator.commands.wait(commandId, options))
  )
  if (command?.status === "done") return command
  return yield* temporaryError(command?.error ?? "The worker did not do it: it was revoked or stopped.")
})
