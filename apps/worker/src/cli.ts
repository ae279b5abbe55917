/** The command tree. A command is loaded when the command line names it, because loading all takes several times longer. */
import { Effect, Runtime } from "effect"
import { CliError, Command, Completions } from "effect/cli"
import { exitCodes } from "./AppError.ts"
import { descriptions } from "./commands/descriptions.ts"
import { packageVersion } from "./info/version.ts"

const commands = {
  dev: () => import("./commands/dev.ts").then(({ dev }) => dev),
  start: () => import("./commands/start.ts").then(({ start }) => start),
  serve: () => import("./commands/serve.ts").then(({ serve }) => serve),
  chat: () => import("./commands/operator/chat.ts").then(({ chat }) => chat),
  send: () => import("./commands/operator/send.ts").then(({ send }) => send),
  inbox: () => import("./commands/operator/inbox.ts").then(({ inbox }) => inbox),
  watch: () => import("./commands/operator/watch.ts").then(({ watch }) => watch),
  allow: () => import("./commands/operator/requests.ts").then(({ allow }) => allow),
  deny: () => import("./commands/operator/requests.ts").then(({ deny }) => deny),
  answer: () => import("./commands/operator/requests.ts").then(({ answer }) => answer),
  search: () => import("./commands/operator/search.ts").then(({ search }) => search),
  sessions: () => import("./commands/operator/sessions.ts").then(({ sessions }) => sessions),
  turns: () => import("./commands/operator/turns.ts").then(({ turns }) => turns),
  workers: () => import("./commands/operator/workers.ts").then(({ workers }) => workers),
  approve: () => import("./commands/approve.ts").then(({ approve }) => approve),
  rotate: () => import("./commands/rotate.ts").then(({ rotate }) => rotate),
  doctor: () => import("./commands/doctor.ts").then(({ doctor }) => doctor),
  attach: () => import("./commands/attach.ts").then(({ attach }) => attach),
  status: () => import("./commands/status.ts").then(({ status }) => status),
  config: () => import("./commands/config.ts").then(({ config }) => config),
  service: () => import("./commands/service.ts").then(({ service }) => service),
  login: () => import("./commands/operator/login.ts").then(({ login }) => login),
  logout: () => import("./commands/operator/login.ts").then(({ logout }) => logout),
  whoami: () => import("./commands/operator/login.ts").then(({ whoami }) => whoami),
  context: () => import("./commands/operator/login.ts").then(({ context }) => context),
  devices: () => import("./commands/operator/devices.ts").then(({ devices }) => devices),
  approvals: () => import("./commands/operator/approvals.ts").then(({ approvals }) => approvals),
  usage: () => import("./commands/operator/usage.ts").then(({ usage }) => usage),
  notify: () => import("./commands/operator/notify.ts").then(({ notify }) => notify),
  completion: () => import("./commands/completion.ts").then(({ completion }) => completion)
}

type Name = keyof typeof descriptions

const isName = (word: string): word is Name => Object.hasOwn(descriptions, word)

const names = Object.keys(descriptions).filter(isName)

/** A command that the command line does not name: its line in the help. */
const unused = (name: Name) => Promise.resolve(Command.make(name).pipe(Command.withDescription(descriptions[name])))

/** All commands; those that the arguments name with their flags. */
const load = Effect.promise(async () => {
  const words = process.argv.slice(2)
  const isCompletion = words[0] === "complete"
  const isAll = isCompletion || words.some((word) => /^--(?:completions|wizard)\b/.test(word))
  const found = await Promise.all(
    names.map((name) => (isAll || words.includes(name) ? commands[name]() : unused(name)))
  )
  if (!isCompletion) return found
  const { complete } = await import("./commands/completion.ts")
  const root = Command.make("opencode-worker").pipe(Command.withSubcommands(found))
  return [...found, complete(() => Completions.fromCommand(root))]
})

/** An invalid command line, which was already reported. */
const withUsageCode = <E>(error: E): E =>
  CliError.isCliError(error) && error._tag === "ShowHelp" && error.errors.length > 0
    ? Object.assign(error, { [Runtime.errorExitCode]: exitCodes.Usage })
    : error

/** Runs the command that the arguments name. */
export const run = Effect.flatMap(load, (subcommands) =>
  Command.make("opencode-worker").pipe(
    Command.withDescription("Drive an OpenCode agent from anywhere: one server, many sessions, synced through Convex"),
    Command.withSubcommands(subcommands),
    Command.run({ version: packageVersion }),
    Effect.mapError(withUsageCode)
  )
)
