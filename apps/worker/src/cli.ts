/** The command tree. */
import { Effect, Runtime } from "effect"
import { CliError, Command } from "effect/cli"
import { packageVersion } from "./info/version.ts"
import { exitCodes } from "./AppError.ts"
import { dev } from "./commands/dev.ts"
import { doctor } from "./commands/doctor.ts"
import { config } from "./commands/config.ts"
import { approve } from "./commands/approve.ts"
import { rotate } from "./commands/rotate.ts"
import { approvals } from "./commands/operator/approvals.ts"
import { chat } from "./commands/operator/chat.ts"
import { devices } from "./commands/operator/devices.ts"
import { context, login, logout, whoami } from "./commands/operator/login.ts"
import { inbox } from "./commands/operator/inbox.ts"
import { notify } from "./commands/operator/notify.ts"
import { allow, answer, deny } from "./commands/operator/requests.ts"
import { search } from "./commands/operator/search.ts"
import { send } from "./commands/operator/send.ts"
import { sessions } from "./commands/operator/sessions.ts"
import { turns } from "./commands/operator/turns.ts"
import { usage } from "./commands/operator/usage.ts"
import { workers } from "./commands/operator/workers.ts"
import { serve } from "./commands/serve.ts"
import { start } from "./commands/start.ts"
import { status } from "./commands/status.ts"

const root = Command.make("opencode-worker").pipe(
  Command.withDescription("Drive an OpenCode agent from anywhere: one server, many sessions, synced through Convex"),
  Command.withSubcommands([
    dev,
    start,
    serve,
    chat,
    send,
    inbox,
    allow,
    deny,
    answer,
    search,
    sessions,
    turns,
    workers,
    approve,
    rotate,
    doctor,
    status,
    config,
    login,
    logout,
    whoami,
    context,
    devices,
    approvals,
    usage,
    notify
  ])
)

/** An invalid command line, which was already reported. */
const withUsageCode = <E>(error: E): E =>
  CliError.isCliError(error) && error._tag === "ShowHelp" && error.errors.length > 0
    ? Object.assign(error, { [Runtime.errorExitCode]: exitCodes.Usage })
    : error

/** Runs the command that the arguments name. */
export const run = Effect.mapError(Command.run(root, { version: packageVersion }), withUsageCode)
