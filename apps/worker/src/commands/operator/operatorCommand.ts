/** A command of an operator: it connects to the deployment that its flags name, and runs as the operator there. */
import type { Client } from "@opencode-worker/client/effect"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { toAppError } from "../../AppError.ts"
import { asOperator, connectionFlags } from "../../operator/connection.ts"
import { endWithOutput } from "../../terminal/output/endWithOutput.ts"

export const operatorCommand = <const Name extends string, const Config extends Command.Command.Config, R>(
  name: Name,
  description: string,
  config: Config,
  run: (
    given: Command.Command.Config.InferValue<Config>
  ) => Effect.Effect<void, Parameters<typeof toAppError>[0], R | Client>
) =>
  Command.make(name, { connection: connectionFlags, own: config }, ({ connection, own }) =>
    asOperator(connection, run(own)).pipe(Effect.scoped, Effect.mapError(toAppError), endWithOutput(0))
  ).pipe(Command.withDescription(description))
