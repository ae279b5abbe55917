/** `opencode-worker approve <code>`: shows the worker with this code and, after confirmation, makes you its operator. */
import { Client } from "@opencode-worker/client/effect"
import { Clock, Duration, Effect } from "effect"
import { Argument, Command } from "effect/cli"
import { toAppError, usageError } from "../AppError.ts"
import { asOperator, connectionFlags } from "../operator/connection.ts"
import { confirmed, yes } from "./operator/confirmed.ts"
import { isInteractive } from "../terminal/PromptSource.ts"
import { endWithOutput } from "../terminal/output/endWithOutput.ts"
import { print, printLine } from "../terminal/output/Output.ts"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import { descriptions } from "./descriptions.ts"

const flags = {
  code: Argument.String("code").pipe(Argument.withDescription("The code that the worker shows")),
  yes,
  ...connectionFlags
}

const ageOf = (millis: number): string => {
  const age = Duration.millis(Math.max(0, millis))
  return Duration.toSeconds(age) < 60
    ? `${Math.round(Duration.toSeconds(age))} s`
    : `${Math.round(Duration.toMinutes(age))} min`
}

/** The permission modes of `start`. */
const meanings: Readonly<Record<string, string>> = {
  careful: " (asks before every tool call, except reads inside the directory)",
  inherit: " (the OpenCode configuration of its machine decides)"
}

const approveShown = Effect.fnUntraced(function* (code: string, isConfirmed: boolean) {
  const client = yield* Client
  const { address, createdAt, directory, machine, permissions } = yield* client.call(({ workers }) =>
    workers.preview(code)
  )
  const age = ageOf((yield* Clock.currentTimeMillis) - createdAt)
  const from = address === null ? screen`` : screen`address       ${ScreenText.line(address)}\n`
  const mode =
    permissions === null
      ? screen``
      : screen`permissions   ${ScreenText.line(permissions)}${meanings[permissions] ?? ""}\n`
  const worker = screen`machine       ${ScreenText.line(machine)}\ndirectory     ${ScreenText.line(directory)}\n${mode}${from}code          began ${age} ago\n`
  const warning = screen`The worker itself reports these names and permissions: compare the code with its terminal.\n`
  if (isConfirmed) yield* print(worker)
  yield* confirmed(isConfirmed, screen`${worker}${warning}? Make this worker yours? [y]es, [n]o\n`)
  yield* client.call(({ workers }) => workers.approve(code))
  const asks = permissions === null ? screen`` : screen` (${ScreenText.line(permissions)} permissions)`
  yield* printLine(
    screen`Approved: ${ScreenText.line(machine)}, ${ScreenText.line(directory)}${asks}. It is yours until you revoke it.`
  )
})

export const approve = Command.make(
  "approve",
  flags,
  Effect.fn(
    function* ({ code, yes: isConfirmed, ...options }) {
      if (!isConfirmed && !(yield* isInteractive)) {
        return yield* usageError("Approving needs a person at a terminal who can check the worker, or --yes.")
      }
      yield* asOperator(options, approveShown(code, isConfirmed))
    },
    Effect.mapError(toAppError),
    endWithOutput(0)
  )
).pipe(Command.withDescription(descriptions.approve))
